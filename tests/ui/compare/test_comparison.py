from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from olmoe_viz import Generation
from olmoe_viz.figures.labels import k_is
from olmoe_viz.numerics.costs import active_parameters, bytes_per_token
from olmoe_viz.numerics.geometry import OLMOE_1B_7B, Geometry
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.records.generation import Finish, RowStep, Step
from olmoe_viz.records.provenance import Provenance
from olmoe_viz.records.timing import Bandwidth
from olmoe_viz.requests import BandwidthRequest
from olmoe_viz.ui.compare.comparison import Column, Comparison, distinct_names, reference
from olmoe_viz.ui.compare.cost import facts as costs
from olmoe_viz.ui.compare.settings import Settings
from olmoe_viz.ui.texts import compare as texts


def test_equal_names_are_numbered_and_others_are_not() -> None:
    columns = [Column(RoutingPolicy(k)) for k in (4, 8, 4)]
    assert distinct_names(columns) == [
        f"column 1: {k_is(4)}, native",
        f"{k_is(8)}, native",
        f"column 3: {k_is(4)}, native",
    ]


def row(token: int | None, text: str = "", finish: Finish | None = None) -> RowStep:
    logits = np.full((16, 64), token or 0, dtype=np.float32)
    ids, weights = np.zeros((16, 1), dtype=np.int16), np.ones((16, 1), dtype=np.float32)
    return RowStep(token, text, -1.0, finish, logits, ids, weights)


def routed(row: RowStep, experts: range) -> RowStep:
    return replace(row, expert_ids=np.tile(np.array(experts, dtype=np.int16), (16, 1)))


def step(*rows: RowStep, seconds: float) -> Step:
    return Step(0, rows, seconds)


def made_together(comparison: Comparison) -> tuple[float, float]:
    return comparison.seconds, comparison.tokens_per_second


@pytest.fixture
def comparison() -> Comparison:
    made = Comparison(
        prompt="=1+1",
        model="m",
        digest="sha256:0",
        geometry=OLMOE_1B_7B,
        bytes_per_value=2,
        settings=Settings(new_tokens=3),
        columns=[Column(RoutingPolicy(8)), Column(RoutingPolicy(64, "renormalized"))],
    )
    made.take(step(row(None), row(None), seconds=0.0))
    made.take(step(row(1, " a"), row(1, " a"), seconds=0.5))
    made.take(step(row(2, " b"), row(3, " c", "end"), seconds=1.0))
    made.take(step(row(4, "<i>", "length"), row(None, "", "end"), seconds=2.0))
    return made


def test_a_comparison_collects_what_the_rows_do(comparison: Comparison) -> None:
    assert [column.text for column in comparison.columns] == [" a b<i>", " a c"]
    assert comparison.written == 3
    assert comparison.shared() == 1
    first, second = comparison.rows()
    assert first["tokens"] == 3
    assert made_together(comparison) == (2.0, 1.5)
    assert first["active_parameters"] == 1_282_017_280
    assert first["share_of_parameters"] == 0.1853
    assert (first["finish"], second["finish"]) == ("length", "end")
    assert [column.name for column in comparison.columns] == [
        f"{k_is(8)}, native",
        f"{k_is(64)}, renormalized",
    ]


def test_the_share_of_the_limit_is_one_figure_of_all_columns_while_they_are_written(
    provenance: Provenance,
) -> None:
    columns = [Column(RoutingPolicy(8)), Column(RoutingPolicy(64))]
    made = Comparison("p", "m", "d", OLMOE_1B_7B, 2, Settings(), columns)
    made.bandwidth = Bandwidth(BandwidthRequest("m"), 100e9, 1, 1, "cpu", 1, provenance)
    assert made.share_of_limit is None
    made.take(step(routed(row(1), range(8)), routed(row(1), range(64)), seconds=0.5))
    assert made.bytes_per_step == bytes_per_token(OLMOE_1B_7B, 64)
    assert made.share_of_limit == pytest.approx(13_632_278_528 * 2 / 100e9, rel=1e-3)
    made.file = "texts.safetensors"  # perhaps from another machine, whose bandwidth nobody knows
    assert made.share_of_limit is None
    made.file, made.bandwidth = "", None
    assert made.share_of_limit is None


def test_a_step_reads_an_expert_once_whoever_uses_it(
    make_generation: Callable[..., Generation], geometry: Geometry, provenance: Provenance
) -> None:
    columns = [Column(RoutingPolicy(2)), Column(RoutingPolicy(2))]
    made = Comparison("p", "m", "d", geometry, 4, Settings(), columns)
    ids = np.array([[[0, 1], [2, 3]], [[2, 1], [2, 3]]], dtype=np.int16)  # 3 different, then 2
    records = [
        make_generation(tokens=2, policy=RoutingPolicy(2), expert_ids=one[None].repeat(3, axis=0))
        for one in ids
    ]
    made.keep(records)
    assert made.bytes_per_step == bytes_per_token(geometry, 2.5, 4)
    limit = made.bytes_per_step * 10
    made.bandwidth = Bandwidth(BandwidthRequest("m"), limit, 1, 1, "cpu", 1, provenance)
    assert made.share_of_limit == pytest.approx(made.tokens_per_second / 10)


def test_the_common_speed_is_said_to_be_the_largest_ks() -> None:
    said = texts.common_speed(64, None, written=False)
    assert said.startswith(f"The common speed is that of the largest, {k_is(64)}, at best")
    assert said.endswith("each column's own speed is measured alone, under Cost.")
    missing = texts.common_speed(64, None, written=True)
    assert "none until it is measured" in missing
    assert "%" not in missing
    assert texts.common_speed(64, 0.3456, written=True).endswith(
        "under Cost. Together 34.6% of the bandwidth limit."
    )


def test_the_records_bring_times_mass_and_what_a_stop_left(
    make_generation: Callable[..., Generation], geometry: Geometry
) -> None:
    made = Comparison("p", "m", "d", geometry, 4, Settings(), [Column(RoutingPolicy(8))])
    made.take(step(row(5, "a"), seconds=1.0))
    made.take(step(row(6, ""), seconds=2.0))
    flat = np.zeros((3, 2, 8), dtype=np.float32)
    made.keep(
        [
            make_generation(
                tokens=2, policy=RoutingPolicy(8), text="a🙂", router_logits=flat, finish="stopped"
            )
        ]
    )
    assert made.columns[0].pieces == ["a", "🙂"]
    (facts,) = made.rows()
    assert made_together(made) == (2.0, 1.0)
    assert facts["mean_retained_mass"] == 1.0
    assert facts["finish"] == "stopped"


def test_an_answer_that_was_there_already_brings_all_of_a_text(
    make_generation: Callable[..., Generation], geometry: Geometry
) -> None:
    record = make_generation(tokens=4, policy=RoutingPolicy(2))
    made = Comparison("p", "m", "d", geometry, 4, Settings(), [Column(RoutingPolicy(2))])
    made.keep([record], cached=True)
    (column,) = made.columns
    assert column.cached
    assert column.pieces == ["a", "b", "c", "d"]
    assert column.token_ids == record.token_ids.tolist()
    assert column.logprobs == record.logprobs.tolist()
    assert (made.seconds, made.written) == (record.seconds, 4)
    assert made.progress == (
        "4 of 80 tokens in each column, 1 column together at 8.0 tokens/s each, 0.5 s"
    )


def test_what_ran_is_counted_and_summed_and_not_ranked_again(
    make_generation: Callable[..., Generation], geometry: Geometry
) -> None:
    flat = np.zeros((3, 2, 8), dtype=np.float32)
    flat[:, :, 0] = 5.0
    ids = np.array([[7, 6], [7, -1]], dtype=np.int16)[None].repeat(3, axis=0)
    weights = np.where(ids < 0, 0, 0.25).astype(np.float32)
    record = make_generation(
        tokens=2,
        policy=RoutingPolicy(2, threshold=0.1),
        router_logits=flat,
        expert_ids=ids,
        weights=weights,
    )
    made = Comparison("p", "m", "d", geometry, 4, Settings(), [Column(RoutingPolicy(2))])
    made.keep([record])
    (facts,) = made.rows()
    assert made.columns[0].experts_used(3) == [1.5, 1.5, 1.5]
    assert facts["active_parameters"] == active_parameters(geometry, 1.5)
    assert facts["mean_retained_mass"] == pytest.approx(1.5 / (np.exp(5) + 7), abs=1e-5)


def test_an_empty_column_has_no_measurements() -> None:
    empty = Comparison("p", "m", "d", OLMOE_1B_7B, 2, Settings(), [Column(RoutingPolicy(8))])
    empty.keep([])
    facts = empty.rows()[0]
    assert facts["mean_retained_mass"] is None
    assert empty.tokens_per_second == 0
    assert facts["repetition_rate"] == 0
    assert facts["finish"] == "stopped"


def test_a_text_that_ended_before_its_first_token_has_the_cost_of_its_k(
    make_generation: Callable[..., Generation], geometry: Geometry
) -> None:
    record = make_generation(tokens=0, policy=RoutingPolicy(2))
    made = Comparison("p", "m", "d", geometry, 4, Settings(), [Column(RoutingPolicy(2))])
    made.keep([record])
    (facts,) = made.rows()
    assert made.columns[0].experts_used(3) == [2.0, 2.0, 2.0]
    assert facts["active_parameters"] == active_parameters(geometry, 2)
    assert facts["mean_retained_mass"] is None
    (cost,) = costs(made, 1e9)
    assert cost["limit_tokens_per_second"] == pytest.approx(1e9 / bytes_per_token(geometry, 2, 4))


def test_texts_are_compared_with_the_chosen_one_or_the_trained_k() -> None:
    columns = [Column(RoutingPolicy(4)), Column(RoutingPolicy(8)), Column(RoutingPolicy(16))]
    assert reference(columns, None, 8) == 1
    assert reference(columns, 2, 8) == 2
    assert reference(columns, 5, 8) == 1
    assert reference(columns[:1], None, 8) == 0
