"""Likelihood, divergence and agreement against stock logits; teacher forcing against decoding."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import OlmoeForCausalLM

from olmoe_viz import Generation, InputError, RoutingPolicy, Trace, compare
from olmoe_viz.analysis import quality
from olmoe_viz.analysis.quality import PromptQuality, prompt_quality, token_probabilities
from olmoe_viz.models.load import Model

StockAt = Callable[[int], OlmoeForCausalLM]


def stock_log_probabilities(stock_at: StockAt, k: int, ids: np.ndarray) -> torch.Tensor:
    with torch.no_grad():
        logits = stock_at(k)(torch.tensor(ids).unsqueeze(0)).logits[0]
    return logits.double().log_softmax(-1)


# Parts of 4 positions, of which the last has only one, and all at once.
@pytest.mark.parametrize("chunk", [4, 5, 256])
def test_the_measures_equal_those_of_stock_logits(
    model: Model, full: Trace, stock_at: StockAt, monkeypatch: pytest.MonkeyPatch, chunk: int
):
    monkeypatch.setattr(quality, "_CHUNK", chunk)
    ids = full.token_ids[:25]
    p = stock_log_probabilities(stock_at, 8, ids)
    found = list(prompt_quality(model, ids, [RoutingPolicy(k) for k in (8, 2, 64)]))
    for measured, k in zip(found, (8, 2, 64), strict=True):
        q = stock_log_probabilities(stock_at, k, ids)
        nll = -q[range(24), ids[1:].tolist()].mean()
        assert measured.policy == RoutingPolicy(k)
        assert measured.tokens == 24
        assert measured.mean_nll == pytest.approx(float(nll), rel=1e-5)
        assert measured.perplexity == pytest.approx(float(nll.exp()), rel=1e-4)
        divergence = (p.exp() * (p - q)).sum(-1).mean()
        assert measured.mean_kl == pytest.approx(float(divergence), rel=1e-4, abs=1e-8)
        agreement = (p.argmax(-1) == q.argmax(-1)).double().mean()
        assert measured.agreement == pytest.approx(float(agreement))
    assert found[0].mean_kl < 1e-8 < found[1].mean_kl
    assert found[0].agreement == 1 > found[1].agreement


def test_the_reference_can_be_another_policy(model: Model, full: Trace):
    wide = RoutingPolicy(64)
    (measured,) = prompt_quality(model, full.text, [wide], trained=wide)
    assert measured.mean_kl == 0
    assert measured.agreement == 1


def test_a_single_token_predicts_nothing_that_was_given(model: Model):
    (measured,) = prompt_quality(model, [65], [RoutingPolicy(16)])
    assert (measured.tokens, measured.mean_nll, measured.perplexity) == (0, None, None)
    assert isinstance(measured, PromptQuality)
    assert measured.mean_kl > 0


def test_what_does_not_fit_is_refused(model: Model):
    with pytest.raises(InputError, match="k must be from 1 to 64"):
        prompt_quality(model, "a", [RoutingPolicy(65)])
    with pytest.raises(InputError, match="no text yet"):
        prompt_quality(model, "", [RoutingPolicy(8)])


@pytest.fixture(scope="module")
def written(model: Model) -> Generation:
    return compare(model, "The robot", [RoutingPolicy(16)], max_new_tokens=20)[0]


def test_teacher_forcing_under_its_own_policy_is_what_decoding_said(
    model: Model, written: Generation, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(quality, "_CHUNK", 6)
    found = token_probabilities(model, written, RoutingPolicy(16))
    assert found.shape == written.token_ids.shape
    np.testing.assert_allclose(found, np.exp(written.logprobs), rtol=1e-4)


def test_teacher_forcing_under_another_policy_equals_stock(
    model: Model, written: Generation, stock_at: StockAt
):
    ids = np.concatenate([written.prompt_ids, written.token_ids])
    said = stock_log_probabilities(stock_at, 8, ids)
    first, count = len(written.prompt_ids) - 1, len(written.token_ids)
    expected = said[range(first, first + count), written.token_ids.tolist()].exp()
    found = token_probabilities(model, written, RoutingPolicy(8))
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-4)


def test_nothing_written_has_no_probabilities(model: Model, written: Generation):
    empty = replace(
        written,
        token_ids=written.token_ids[:0],
        tokens=(),
        text="",
        logprobs=written.logprobs[:0],
        router_logits=written.router_logits[:, :0],
    )
    assert token_probabilities(model, empty, RoutingPolicy(8)).shape == (0,)


def test_a_text_of_another_model_is_refused(model: Model, written: Generation):
    foreign = replace(written, provenance=replace(written.provenance, digest="sha256:other"))
    with pytest.raises(InputError, match="other weights"):
        token_probabilities(model, foreign, RoutingPolicy(8))
