"""Predictions, the logit lens and directions of logits, against stock logits and exact sums."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import OlmoeForCausalLM

from olmoe_viz import InputError, RoutingPolicy, Trace
from olmoe_viz.analysis.attribution import by_layer, contributions
from olmoe_viz.engine import predicting
from olmoe_viz.engine.engine import Ask
from olmoe_viz.models.model import Model
from olmoe_viz.records.prediction import Predictions
from olmoe_viz.requests import DirectionsRequest, InspectRequest, LensRequest, PredictRequest

Stock = Callable[[int], OlmoeForCausalLM]


@pytest.fixture(scope="module")
def stock_logits(stock: Stock, full: Trace) -> torch.Tensor:
    with torch.no_grad():
        logits: torch.Tensor = stock(8)(torch.tensor(full.token_ids).unsqueeze(0)).logits[0]
    return logits


def predict(ask: Ask, full: Trace, *tokens: int, top: int = 10) -> Predictions:
    return ask(PredictRequest(full.request, tokens, top, detail="logits"))


def test_predictions_are_the_softmax_of_stock_logits(
    ask: Ask, model: Model, full: Trace, stock_logits: torch.Tensor
):
    tokens, vocab = (0, 7, len(full.tokens) - 1), model.geometry.vocab
    found = predict(ask, full, *tokens, top=vocab)
    for row, token in enumerate(tokens):
        expected = stock_logits[token].double()
        probabilities = expected.softmax(-1).numpy()
        shown = found.probabilities[row]
        np.testing.assert_allclose(found.logits[row], expected.numpy(), atol=2e-5)
        np.testing.assert_allclose(shown, probabilities[found.top_ids[row]], rtol=1e-4, atol=1e-8)
        assert shown.sum() == pytest.approx(1)
        assert (np.diff(shown) <= 0).all()
        assert found.log_sum_exp[row] == pytest.approx(float(expected.logsumexp(-1)), abs=1e-5)
        entropy = -(probabilities * np.log(probabilities)).sum()
        assert found.entropies[row] == pytest.approx(float(entropy), abs=1e-4)
        assert found.top_ids[row, 0] == expected.argmax()


def test_logits_come_only_when_they_are_asked_for(ask: Ask, full: Trace):
    request = PredictRequest(full.request, (3,), top=4)
    found = ask(request)
    assert found.logits is None
    np.testing.assert_array_equal(found.top_ids, predict(ask, full, 3, top=4).top_ids)


def test_the_last_prediction_is_the_traces_own(ask: Ask, full: Trace):
    found = predict(ask, full, len(full.tokens) - 1)
    assert found.top_ids[0].tolist() == full.next_ids[:10].tolist()
    np.testing.assert_allclose(found.probabilities[0], full.next_probabilities()[:10], rtol=1e-4)


def test_tokens_are_shown_as_text(ask: Ask, model: Model, full: Trace):
    found = predict(ask, full, 3, top=model.geometry.vocab)
    shown = dict(zip(found.top_ids[0].tolist(), found.top_tokens[0], strict=True))
    ids = model.tokenizer.backend_tokenizer.encode("x!").ids
    assert [shown[token] for token in ids] == ["x", "!"]
    assert shown[model.tokenizer.eos_token_id] == "<|endoftext|>"


def test_the_lens_ends_in_the_models_own_prediction(ask: Ask, full: Trace):
    lens, found = ask(LensRequest(full.request, 7, top=5)), predict(ask, full, 7, top=5)
    assert lens.ids.shape == lens.probabilities.shape == (4, 5)
    assert lens.ids[-1].tolist() == found.top_ids[0].tolist()
    assert lens.tokens[-1] == found.top_tokens[0]
    np.testing.assert_allclose(lens.probabilities[-1], found.probabilities[0], rtol=1e-5)
    assert lens.winner_probability[-1] == pytest.approx(found.probabilities[0, 0], rel=1e-5)
    assert lens.winner_rank[-1] == 1


def test_the_lens_reads_every_depth(ask: Ask, model: Model, full: Trace):
    lens = ask(LensRequest(full.request, 7, top=model.geometry.vocab))
    winner = lens.ids[-1, 0]
    hidden = torch.tensor(full.hidden_states[:, 7])
    with torch.no_grad():
        logits = model.module.lm_head(model.module.model.norm(hidden)).double()
    expected = logits.softmax(-1).numpy()
    for row in range(4):
        np.testing.assert_allclose(lens.probabilities[row], expected[row, lens.ids[row]], rtol=1e-4)
        assert lens.winner_probability[row] == pytest.approx(expected[row, winner], rel=1e-4)
        assert lens.winner_rank[row] == 1 + (expected[row] > expected[row, winner]).sum()
    assert len(set(lens.winner_rank)) > 1


def test_contributions_of_everything_sum_to_the_logit(ask: Ask, full: Trace):
    token, token_id = 7, 99
    towards = ask(DirectionsRequest(full.request, token, (5, token_id)))
    direction = towards.directions[1]
    added = full.hidden_states[0, token].astype(np.float64) @ direction
    added += (full.attention_outputs[:, token].astype(np.float64) @ direction).sum()
    policies = (RoutingPolicy(8), RoutingPolicy(2))
    for layer in range(3):
        seen = ask(InspectRequest(full.request, layer, token, policies))
        pushes = contributions(seen, towards, 0, 1)
        assert pushes.shape == (8,)
        assert np.count_nonzero(contributions(seen, towards, 1, 1)) == 2
        added += pushes.sum()
    logits = predict(ask, full, token).logits
    assert added == pytest.approx(float(logits[0, token_id]), abs=1e-4)


def test_all_parts_sum_to_the_logit_of_the_stock_model(
    ask: Ask, full: Trace, stock: Callable[[int], OlmoeForCausalLM]
):
    """Embedding, attention and every single expert, with the scale of the final norm held."""
    token, token_id = 7, 99
    towards = ask(DirectionsRequest(full.request, token, (token_id,)))
    with torch.no_grad():
        logits = stock(8)(torch.tensor([full.token_ids.tolist()])).logits[0, token].double().numpy()
    parts = by_layer(full, towards)
    assert parts.total == pytest.approx(logits[token_id] - logits.mean(), abs=1e-4)
    last = full.hidden_states[-1, token].astype(np.float64)
    assert last @ towards.mean == pytest.approx(logits.mean(), abs=1e-4)
    assert last @ towards.directions[0] == pytest.approx(logits[token_id], abs=1e-4)
    for layer in range(3):
        seen = ask(InspectRequest(full.request, layer, token, (full.policy,)))
        added = (seen.weights[0] @ seen.outputs.astype(np.float64)) @ towards.above_mean[0]
        assert parts.experts[layer] == pytest.approx(added, abs=1e-4)


def test_the_direction_scales_as_the_norm_does_for_small_states(model: Model, full: Trace):
    small = replace(full, hidden_states=full.hidden_states * np.float32(1e-4))
    towards = predicting.directions(model, DirectionsRequest(full.request, 7, (99,)), small)
    logit = small.hidden_states[-1, 7].astype(np.float64) @ towards.directions[0]
    found = predicting.predict(model, PredictRequest(full.request, (7,), detail="logits"), small)
    assert logit == pytest.approx(float(found.logits[0, 99]), rel=1e-4)


@pytest.mark.parametrize("token", [-1, 999])
def test_a_token_that_is_not_there_is_refused(ask: Ask, full: Trace, token: int):
    for request in (
        PredictRequest(full.request, (0, token)),
        LensRequest(full.request, token),
        DirectionsRequest(full.request, token, (1,)),
    ):
        with pytest.raises(InputError, match=f"token must be from 0 to .* it is {token}"):
            ask(request)


def test_a_token_id_that_is_not_there_is_refused(ask: Ask, model: Model, full: Trace):
    vocab = model.geometry.vocab
    for token_id in (-1, vocab):
        with pytest.raises(InputError, match=f"Token ids must be from 0 to {vocab - 1}"):
            ask(DirectionsRequest(full.request, 0, (0, token_id)))
