"""The trade-off table: its derived columns by hand, its measured ones against stock and traces."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import OlmoeForCausalLM

from olmoe_viz import InputError, RoutingPolicy, Trace, costs, routing
from olmoe_viz.analysis.tradeoff import tradeoff
from olmoe_viz.engine.engine import Ask
from olmoe_viz.models.model import Model
from olmoe_viz.numerics.divergence import kl_divergence
from olmoe_viz.policy import WEIGHTINGS, Weighting
from olmoe_viz.requests import PredictRequest, TimeRequest, TraceRequest

KS = (64, 1, 8, 16)
TEXT = "Süß 🙂, said the robot."


@pytest.fixture(scope="module")
def full(ask: Ask, model: Model) -> Trace:
    return ask(TraceRequest(model.name, TEXT, RoutingPolicy(8), detail="full"))


def test_the_rows_come_in_order_with_what_stock_says(
    ask: Ask, model: Model, full: Trace, stock: Callable[[int], OlmoeForCausalLM]
):
    rows = list(tradeoff(ask, model.name, TEXT, KS, runs=2))
    assert [row.k for row in rows] == list(KS)
    logits = {}
    for k in KS:
        with torch.no_grad():
            output = stock(k)(torch.tensor(full.token_ids).unsqueeze(0))
        logits[k] = output.logits[0, -1].numpy()
    for row in rows:
        expected = kl_divergence(logits[8], logits[row.k])
        assert row.kl == pytest.approx(expected, rel=1e-3, abs=1e-8)
        assert row.same_top == (logits[8].argmax() == logits[row.k].argmax())
        assert 0 < row.fastest <= row.seconds <= row.slowest
        assert row.runs == 2
    assert rows[2].kl < 1e-8 < rows[0].kl
    assert rows[2].same_top
    shown = ask(PredictRequest(full.request, (len(full.tokens) - 1,))).top_tokens[0][0]
    assert rows[2].top_token == shown


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_mass_and_gain_are_those_of_the_run(ask: Ask, model: Model, weighting: Weighting):
    for row in tradeoff(ask, model.name, TEXT, KS, runs=1, weighting=weighting):
        policy = RoutingPolicy(row.k, weighting)
        run = ask(TraceRequest(model.name, TEXT, policy))
        probabilities = routing.probabilities(run.router_logits)
        mass = routing.retained_mass(probabilities, row.k).mean()
        gain = routing.gain(probabilities, policy, 8).mean()
        np.testing.assert_allclose([row.retained_mass, row.gain], [mass, gain], rtol=1e-5)


def test_the_mass_is_of_the_experts_that_ran(ask: Ask, model: Model, full: Trace):
    """Not of the likeliest ones: an engine may have run others, as where a family biases."""

    def other_experts(request: object) -> object:
        answer = ask(request)
        if isinstance(answer, Trace) and request.text == TEXT:
            ids = np.argsort(answer.router_logits, axis=-1)[..., :1].astype(np.int16)
            return replace(answer, expert_ids=ids)  # the least likely
        return answer

    (row,) = tradeoff(other_experts, model.name, TEXT, [1], runs=1)
    run = ask(TraceRequest(model.name, TEXT, RoutingPolicy(1)))
    least = routing.probabilities(run.router_logits).min(axis=-1)
    assert row.retained_mass == pytest.approx(least.mean())


def test_the_derived_columns(ask: Ask, model: Model, full: Trace):
    row = next(tradeoff(ask, model.name, TEXT, [16], runs=1))
    geometry = model.geometry
    expert = 3 * geometry.hidden * geometry.intermediate
    everything = costs.total_parameters(geometry)
    assert row.active_parameters == everything - geometry.layers * 48 * expert
    assert row.active_share == pytest.approx(row.active_parameters / everything)
    embedding = geometry.vocab * geometry.hidden
    assert row.bytes_per_token == 4 * (row.active_parameters - embedding)
    last = len(full.tokens) - 1
    assert row.flops_per_token == costs.flops_per_token(geometry, 16, last)


def test_the_time_is_the_median_with_both_ends(ask: Ask, model: Model):
    asked: list[TimeRequest] = []

    def timed(request: object) -> object:
        answer = ask(request)
        if not isinstance(request, TimeRequest):
            return answer
        asked.append(request)
        return replace(answer, seconds=np.array([0.2, 0.9, 0.1]))

    (row,) = tradeoff(timed, model.name, TEXT, [8], runs=3)
    assert asked == [TimeRequest(model.name, TEXT, RoutingPolicy(8), new_tokens=0, runs=3)]
    assert (row.fastest, row.seconds, row.slowest, row.runs) == (0.1, 0.2, 0.9, 3)


def test_what_does_not_fit_is_refused_at_once(ask: Ask, model: Model):
    with pytest.raises(InputError, match="k must be from 1 to 64"):
        tradeoff(ask, model.name, "a", [65])
    with pytest.raises(InputError, match="no text yet"):
        tradeoff(ask, model.name, "", [8])
    with pytest.raises(InputError, match="at least 1 run"):
        tradeoff(ask, model.name, "a", [8], runs=0)
