"""The trade-off table: its derived columns by hand, its measured ones against stock and traces."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from transformers import OlmoeForCausalLM

from olmoe_viz import InputError, RoutingPolicy, Trace, costs, routing, trace
from olmoe_viz.analysis import tradeoff as module
from olmoe_viz.analysis.prediction import kl_divergence, predict
from olmoe_viz.analysis.tradeoff import tradeoff
from olmoe_viz.models.load import Model
from olmoe_viz.policy import WEIGHTINGS, Weighting

KS = (64, 1, 8, 16)


def test_the_rows_come_in_order_with_what_stock_says(
    model: Model, full: Trace, stock_at: Callable[[int], OlmoeForCausalLM]
):
    rows = list(tradeoff(model, full.text, KS, runs=2))
    assert [row.k for row in rows] == list(KS)
    logits = {}
    for k in KS:
        with torch.no_grad():
            output = stock_at(k)(torch.tensor(full.token_ids).unsqueeze(0))
        logits[k] = output.logits[0, -1].numpy()
    for row in rows:
        expected = kl_divergence(logits[8], logits[row.k])
        assert row.kl == pytest.approx(expected, rel=1e-3, abs=1e-8)
        assert row.same_top == (logits[8].argmax() == logits[row.k].argmax())
        assert 0 < row.fastest <= row.seconds <= row.slowest
        assert row.runs == 2
    assert rows[2].kl < 1e-9 < rows[0].kl
    assert rows[2].same_top
    shown = predict(model, full, len(full.tokens) - 1).top_tokens[0]
    assert rows[2].top_token == shown


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_mass_and_gain_are_those_of_the_run(model: Model, full: Trace, weighting: Weighting):
    for row in tradeoff(model, full.text, KS, runs=1, weighting=weighting):
        policy = RoutingPolicy(row.k, weighting)
        probabilities = routing.probabilities(trace(model, full.text, policy).router_logits)
        mass = routing.retained_mass(probabilities, row.k).mean()
        gain = routing.gain(probabilities, policy, 8).mean()
        np.testing.assert_allclose([row.retained_mass, row.gain], [mass, gain], rtol=1e-5)


def test_the_derived_columns(model: Model, full: Trace):
    row = next(iter(tradeoff(model, full.text, [16], runs=1)))
    expert = 3 * 32 * 16
    everything = costs.total_parameters(model.geometry)
    assert row.active_parameters == everything - 3 * 48 * expert
    assert row.active_share == pytest.approx(row.active_parameters / everything)
    assert row.bytes_per_token == 4 * (row.active_parameters - 260 * 32)
    last = len(full.tokens) - 1
    assert row.flops_per_token == costs.flops_per_token(model.geometry, 16, last)


def test_the_time_is_the_median_with_both_ends(
    model: Model, full: Trace, monkeypatch: pytest.MonkeyPatch
):
    passes = iter([0.2, 0.9, 0.1])
    monkeypatch.setattr(module, "_seconds", lambda *_: next(passes))
    (row,) = tradeoff(model, full.text, [8], runs=3)
    assert (row.fastest, row.seconds, row.slowest, row.runs) == (0.1, 0.2, 0.9, 3)


def test_what_does_not_fit_is_refused_at_once(model: Model):
    with pytest.raises(InputError, match="k must be from 1 to 64"):
        tradeoff(model, "a", [65])
    with pytest.raises(InputError, match="no text yet"):
        tradeoff(model, "")
    with pytest.raises(InputError, match="at least 1 run"):
        tradeoff(model, "a", runs=0)
