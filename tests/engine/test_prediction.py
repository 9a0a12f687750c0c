"""Predictions, the logit lens and direct pushes, against stock logits and exact sums."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import OlmoeForCausalLM

from olmoe_viz import InputError, RoutingPolicy, Trace, inspect
from olmoe_viz.analysis.prediction import (
    expert_pushes,
    kl_divergence,
    logit_direction,
    logit_lens,
    predict,
)
from olmoe_viz.models.load import Model


@pytest.fixture(scope="module")
def stock_logits(stock: OlmoeForCausalLM, full: Trace) -> torch.Tensor:
    with torch.no_grad():
        logits: torch.Tensor = stock(torch.tensor(full.token_ids).unsqueeze(0)).logits[0]
    return logits


@pytest.mark.parametrize("token", [0, 7, -1])
def test_predictions_are_the_softmax_of_stock_logits(
    model: Model, full: Trace, stock_logits: torch.Tensor, token: int
):
    token %= len(full.tokens)
    prediction = predict(model, full, token, top=260)
    expected = stock_logits[token].double()
    np.testing.assert_allclose(prediction.logits, expected.numpy(), atol=1e-5)
    probabilities = expected.softmax(-1).numpy()
    np.testing.assert_allclose(
        prediction.probabilities, probabilities[prediction.top_ids], rtol=1e-4, atol=1e-8
    )
    assert prediction.probabilities.sum() == pytest.approx(1)
    assert (np.diff(prediction.probabilities) <= 0).all()
    assert prediction.log_sum_exp == pytest.approx(float(expected.logsumexp(-1)), abs=1e-5)
    assert prediction.entropy == pytest.approx(
        float(-(probabilities * np.log(probabilities)).sum()), abs=1e-4
    )
    assert prediction.top_ids[0] == expected.argmax()
    assert prediction.token == token


def test_the_last_prediction_is_the_traces_own(model: Model, full: Trace):
    prediction = predict(model, full, len(full.tokens) - 1, top=10)
    assert prediction.top_ids.tolist() == full.next_ids[:10].tolist()
    np.testing.assert_allclose(prediction.probabilities, full.next_probabilities()[:10], rtol=1e-4)


def test_tokens_are_shown_as_text(model: Model, full: Trace):
    prediction = predict(model, full, 3, top=260)
    shown = dict(zip(prediction.top_ids.tolist(), prediction.top_tokens, strict=True))
    ids = model.tokenizer.backend_tokenizer.encode("a !").ids
    assert [shown[token] for token in ids] == ["a", " ", "!"]
    assert shown[model.tokenizer.eos_token_id] == "<|endoftext|>"


def test_divergence_of_known_distributions():
    half, quarter = np.log([0.5, 0.5]), np.log([0.25, 0.75])
    assert kl_divergence(half, quarter) == pytest.approx(0.5 * math.log(2) + 0.5 * math.log(2 / 3))
    assert kl_divergence(quarter, half) == pytest.approx(
        0.25 * math.log(0.5) + 0.75 * math.log(1.5)
    )
    assert kl_divergence(half, half + 40) == pytest.approx(0)


def test_the_lens_ends_in_the_models_own_prediction(model: Model, full: Trace):
    lens = logit_lens(model, full, 7, top=5)
    prediction = predict(model, full, 7, top=5)
    assert lens.ids.shape == lens.probabilities.shape == (4, 5)
    assert lens.ids[-1].tolist() == prediction.top_ids.tolist()
    assert lens.tokens[-1] == prediction.top_tokens
    np.testing.assert_allclose(lens.probabilities[-1], prediction.probabilities, rtol=1e-6)
    assert lens.winner_probability[-1] == pytest.approx(prediction.probabilities[0])
    assert lens.winner_rank[-1] == 1


def test_the_lens_reads_every_depth(model: Model, full: Trace):
    lens = logit_lens(model, full, 7, top=260)
    winner = lens.ids[-1, 0]
    hidden = torch.tensor(full.hidden_states[:, 7])
    with torch.no_grad():
        expected = model.module.lm_head(model.module.model.norm(hidden)).softmax(-1).numpy()
    for row in range(4):
        np.testing.assert_allclose(lens.probabilities[row], expected[row, lens.ids[row]], rtol=1e-4)
        assert lens.winner_probability[row] == pytest.approx(expected[row, winner], rel=1e-4)
        assert lens.winner_rank[row] == 1 + (expected[row] > expected[row, winner]).sum()
    assert len(set(lens.winner_rank)) > 1


def test_pushes_of_everything_sum_to_the_logit(model: Model, full: Trace):
    token, token_id = 7, 99
    direction = logit_direction(model, full, token, token_id)
    added = full.hidden_states[0, token].astype(np.float64) @ direction
    added += (full.attention_outputs[:, token].astype(np.float64) @ direction).sum()
    for layer in range(3):
        seen = inspect(model, full, layer, token, [RoutingPolicy(8), RoutingPolicy(2)])
        pushes = expert_pushes(model, full, seen, 0, token_id)
        assert pushes.shape == (8,)
        assert np.count_nonzero(expert_pushes(model, full, seen, 1, token_id)) == 2
        added += pushes.sum()
    assert added == pytest.approx(float(predict(model, full, token).logits[token_id]), abs=1e-4)


def test_the_direction_scales_as_the_norm_does_for_small_states(model: Model, full: Trace):
    small = replace(full, hidden_states=full.hidden_states * np.float32(1e-4))
    direction = logit_direction(model, small, 7, 99)
    logit = small.hidden_states[-1, 7].astype(np.float64) @ direction
    assert logit == pytest.approx(float(predict(model, small, 7).logits[99]), rel=1e-4)


def test_a_place_that_is_not_there_is_refused(model: Model, full: Trace):
    with pytest.raises(InputError, match="token must be from 0 to"):
        predict(model, full, len(full.tokens))
    with pytest.raises(InputError, match="token must be from 0 to"):
        logit_lens(model, full, -1)
    with pytest.raises(InputError, match="Token ids must be from 0 to 259"):
        logit_direction(model, full, 0, 260)
