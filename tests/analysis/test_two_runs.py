"""Two runs against each other: tokens, experts, mass and load."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

import olmoe_viz as ov
from olmoe_viz.analysis.run import run_of
from olmoe_viz.analysis.two_runs import difference
from olmoe_viz.records.model_facts import ModelFacts
from olmoe_viz.requests import ModelRequest

Make = Callable[..., ov.Trace]


def test_a_run_does_not_differ_from_itself(make_trace: Make):
    run = run_of(make_trace())
    found = difference(run, run)
    assert (found.same, found.first_token, found.reason) == (True, None, "")
    assert found.layers.shared.tolist() == [1, 1, 1]
    assert found.layers.load_distance.tolist() == [0, 0, 0]


def test_a_larger_k_keeps_the_experts_and_more_mass(make_trace: Make):
    small, large = (run_of(make_trace(policy=ov.RoutingPolicy(k))) for k in (2, 4))
    found = difference(large, small)
    assert not found.same
    assert found.layers.shared.tolist() == [0.5, 0.5, 0.5]
    assert (found.layers.masses[0] > found.layers.masses[1]).all()
    assert difference(small, large).layers.shared.tolist() == [1, 1, 1]


def test_load_without_a_common_expert_is_1_apart(make_trace: Make):
    run = run_of(make_trace())
    ids = np.zeros_like(run.expert_ids) + np.array([0, 1], np.int16)
    one, other = replace(run, expert_ids=ids), replace(run, expert_ids=ids + 4)
    found = difference(one, other)
    assert found.layers.load_distance.tolist() == [1, 1, 1]
    assert found.layers.shared.tolist() == [0, 0, 0]
    # Half of the routes at another expert is half the distance.
    half = replace(run, expert_ids=ids + np.array([0, 4], np.int16))
    assert difference(one, half).layers.load_distance == pytest.approx([0.5] * 3)


def test_only_the_tokens_that_both_begin_with_are_compared(make_trace: Make):
    run = run_of(make_trace())
    ids = run.token_ids.copy()
    ids[3] = (ids[3] + 1) % run.geometry.vocab
    experts = run.expert_ids.copy()
    experts[:, 3:] = experts[:, 3:, ::-1] * 0 + np.array([0, 1], np.int16)
    found = difference(run, replace(run, token_ids=ids, expert_ids=experts))
    assert (found.first_token, found.common) == (3, 3)
    assert found.layers.shared.tolist() == [1, 1, 1]


def test_what_cannot_be_compared_is_said(make_trace: Make, geometry: ov.Geometry):
    run = run_of(make_trace())
    other = run_of(make_trace(geometry=replace(geometry, layers=2, moe_layers=())))
    assert difference(run, other).reason == (
        "One model has 3 layers of 8 experts, the other 2 of 8."
    )
    later = replace(run, token_ids=(run.token_ids + 1) % 40)
    assert "differ from their first token on" in difference(run, later).reason


def test_a_generation_is_a_run_of_its_prompt_and_text(
    make_generation: Callable[..., ov.Generation],
):
    record = make_generation()
    run = run_of(record)
    assert run.tokens == ("#1", "#2", *record.tokens)
    assert run.written_from == 2
    assert run.text == record.prompt + record.text
    assert np.array_equal(run.expert_ids[:, 2:], record.expert_ids)
    assert np.array_equal(run.router_logits[:, :2], record.prompt_router_logits)


def test_other_records_are_no_runs(geometry: ov.Geometry, provenance: object):
    facts = ModelFacts(ModelRequest("a"), geometry, 4, (), provenance)
    with pytest.raises(ov.InputError, match="of kind model_facts"):
        run_of(facts)
