"""Likelihood, divergence and agreement against stock logits; teacher forcing against decoding."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from transformers import OlmoeForCausalLM

from olmoe_viz import InputError, RoutingPolicy
from olmoe_viz.analysis.quality import prompt_quality, token_probabilities
from olmoe_viz.engine import prompt
from olmoe_viz.engine.engine import Ask
from olmoe_viz.engine.local import LocalEngine
from olmoe_viz.models.model import Model
from olmoe_viz.records.generation import Generation
from olmoe_viz.requests import GenerateRequest, ScoreRequest

Stock = Callable[[int], OlmoeForCausalLM]
TEXT = "the little robot found a red ball; Süß 🙂, said the robot."
KS = (8, 2, 64)
POLICIES = tuple(RoutingPolicy(k) for k in KS)


def stock_log_probabilities(stock: Stock, k: int, ids: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        logits = stock(k)(torch.tensor(ids).unsqueeze(0)).logits[0]
    return logits.double().log_softmax(-1).numpy()


# Parts of 1 position and of 5, of which the last has fewer, and all at once; rows times positions.
@pytest.mark.parametrize("part", [4, 20, 1024])
def test_the_measures_equal_those_of_stock_logits(
    model: Model, stock: Stock, monkeypatch: pytest.MonkeyPatch, part: int
):
    monkeypatch.setattr(prompt, "PART", part)
    request = ScoreRequest(model.name, TEXT, POLICIES, reference=RoutingPolicy(8))
    scores = LocalEngine(model).submit(request).result()
    ids = scores.token_ids
    assert scores.token_sizes.sum() == len(TEXT.encode())
    assert ids.tolist() == model.tokenizer.backend_tokenizer.encode(TEXT).ids
    p = stock_log_probabilities(stock, 8, ids)
    for row, k in enumerate(KS):
        q = stock_log_probabilities(stock, k, ids)
        expected = -q[range(len(ids) - 1), ids[1:]]
        np.testing.assert_allclose(scores.nll[row], expected, rtol=1e-4, atol=1e-5)
        divergence = (np.exp(p) * (p - q)).sum(-1)
        np.testing.assert_allclose(scores.kl[row], divergence, rtol=1e-3, atol=1e-6)
        same = p.argmax(-1) == q.argmax(-1)
        np.testing.assert_array_equal(scores.same_top[row], same)
    assert scores.kl[0].max() < 1e-8 < scores.kl[1].max()
    assert scores.same_top[0].all()
    assert not scores.same_top[1].all()
    trained, other, _ = prompt_quality(scores)
    assert (trained.tokens, trained.agreement) == (len(ids) - 1, 1)
    assert other.perplexity == pytest.approx(np.exp(scores.nll[1].mean()))


def test_the_reference_can_be_another_policy(ask: Ask, model: Model):
    wide = RoutingPolicy(64)
    scores = ask(ScoreRequest(model.name, TEXT, (wide,), reference=wide))
    assert not scores.kl.any()
    assert scores.same_top.all()


def test_without_a_reference_only_likelihoods_come(ask: Ask, model: Model):
    alone = ask(ScoreRequest(model.name, TEXT, POLICIES))
    assert alone.kl is alone.same_top is None
    compared = ask(ScoreRequest(model.name, TEXT, POLICIES, reference=RoutingPolicy(8)))
    np.testing.assert_allclose(alone.nll, compared.nll, rtol=1e-4, atol=1e-5)


def test_a_single_token_predicts_nothing_that_was_given(ask: Ask, model: Model):
    scores = ask(ScoreRequest(model.name, (65,), (RoutingPolicy(16),), reference=RoutingPolicy(8)))
    assert scores.nll.shape == (1, 0)
    assert scores.kl.shape == (1, 1)
    assert scores.kl[0, 0] > 0


def test_what_does_not_fit_is_refused(ask: Ask, model: Model):
    for policies, reference in (
        ((RoutingPolicy(65),), None),
        (POLICIES, RoutingPolicy(65)),
    ):
        with pytest.raises(InputError, match="k must be from 1 to 64"):
            ask(ScoreRequest(model.name, "a", policies, reference))
    with pytest.raises(InputError, match="no text yet"):
        ask(ScoreRequest(model.name, "", POLICIES))


@pytest.fixture(scope="module")
def written(ask: Ask, model: Model) -> Generation:
    return ask(GenerateRequest(model.name, "the robot", (RoutingPolicy(16),), 20))[0]


def read_again(ask: Ask, written: Generation, policy: RoutingPolicy) -> np.ndarray:
    ids = (*written.prompt_ids.tolist(), *written.token_ids.tolist())
    scores = ask(ScoreRequest(written.request.model, ids, (policy,)))
    return token_probabilities(scores, 0, len(written.prompt_ids))


def test_teacher_forcing_under_its_own_policy_is_what_decoding_said(ask: Ask, written: Generation):
    found = read_again(ask, written, RoutingPolicy(16))
    assert found.shape == written.token_ids.shape
    np.testing.assert_allclose(found, np.exp(written.logprobs), rtol=1e-3)


def test_teacher_forcing_under_another_policy_equals_stock(
    ask: Ask, written: Generation, stock: Stock
):
    ids = np.concatenate([written.prompt_ids, written.token_ids])
    said = stock_log_probabilities(stock, 8, ids)
    first, count = len(written.prompt_ids) - 1, len(written.token_ids)
    expected = np.exp(said[range(first, first + count), written.token_ids])
    found = read_again(ask, written, RoutingPolicy(8))
    np.testing.assert_allclose(found, expected, rtol=1e-3)
