from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from olmoe_viz import Generation
from olmoe_viz.models import catalogue
from olmoe_viz.numerics.costs import active_parameters
from olmoe_viz.numerics.geometry import OLMOE_1B_7B, Geometry
from olmoe_viz.policy import WEIGHTINGS, RoutingPolicy, Weighting
from olmoe_viz.records.generation import Finish, RowStep, Step
from olmoe_viz.ui.compare.comparison import (
    Column,
    Comparison,
    Settings,
    distinct_names,
    fit,
    further_policy,
    reference,
    single_k,
    usual_policies,
)

policies = st.builds(RoutingPolicy, st.integers(1, 64), st.sampled_from(WEIGHTINGS))


@given(
    st.builds(
        Settings,
        policies=st.just(()) | st.lists(policies, min_size=2, max_size=6).map(tuple),
        new_tokens=st.integers(1, 512),
        temperature=st.floats(0, 2),
        top_p=st.floats(0.05, 1),
        seed=st.integers(0, 2**31 - 1),
        reference=st.none() | st.integers(0, 5),
        pair=st.none() | st.permutations(range(6)).map(lambda places: tuple(places[:2])),
        generate=st.booleans(),
    )
)
def test_settings_come_back_from_their_url(settings: Settings) -> None:
    assert Settings.from_query(settings.to_query()) == settings


@given(st.dictionaries(st.sampled_from(Settings.KEYS), st.text(max_size=20)))
def test_nonsense_in_the_url_never_raises(query: dict[str, str]) -> None:
    settings = Settings.from_query(query)
    assert 1 <= settings.new_tokens <= 512
    assert 0 <= settings.temperature <= 2


@pytest.mark.parametrize(
    "columns",
    [
        "k=8",
        "k=8~k=65",
        "k=8~k=0",
        "k=8-8~k=4",
        "k=8~k=4,p>=0.1",
        "k=8~p>=0.1",
        "~".join(["k=8"] * 7),
        "nan",
    ],
)
def test_columns_that_cannot_be_shown_count_as_left_out(columns: str) -> None:
    assert Settings.from_query({"columns": columns, "temperature": "nan"}) == Settings()


def test_a_link_names_only_ks_that_its_model_has(monkeypatch: pytest.MonkeyPatch) -> None:
    bundled, other, *_ = catalogue.CATALOGUE
    monkeypatch.setattr(catalogue, "CATALOGUE", (bundled, replace(other, experts=24)))
    query = {"columns": "k=8~k=25"}
    assert len(Settings.from_query(query).policies) == 2
    assert Settings.from_query(query | {"model": other.name}).policies == ()


def test_only_ks_that_the_model_has_fit() -> None:
    named = [RoutingPolicy(8), RoutingPolicy(24)]
    assert fit(named, 24)
    assert not fit(named, 23)
    with pytest.raises(ValueError, match="one k"):
        single_k(RoutingPolicy((8, 8)))


@pytest.mark.parametrize("pair", ["", "1", "1-1", "0-6", "-1-2", "0~1", "0-1-2", "٠-1"])
def test_what_is_no_pair_of_columns_counts_as_left_out(pair: str) -> None:
    assert Settings.from_query({"pair": pair}) == Settings()


def test_the_frame_gives_four_columns_that_hold_its_two_ks() -> None:
    assert [p.k for p in usual_policies(8, 16, "native", 64)] == [8, 16, 32, 64]
    assert [p.k for p in usual_policies(4, 16, "native", 64)] == [4, 16, 32, 64]
    assert [p.k for p in usual_policies(8, 8, "native", 64)] == [8, 16, 32, 64]
    assert [p.k for p in usual_policies(4, 16, "native", 24)] == [4, 12, 16, 24]
    assert [p.k for p in usual_policies(1, 2, "native", 2)] == [1, 2]
    assert {p.weighting for p in usual_policies(2, 3, "renormalized", 64)} == {"renormalized"}


@given(
    st.lists(st.integers(1, 24), min_size=2, max_size=5),
    st.sampled_from(WEIGHTINGS),
    st.integers(24, 64),
)
def test_a_further_column_has_a_k_that_no_other_has(
    ks: list[int], weighting: Weighting, experts: int
) -> None:
    added = further_policy([RoutingPolicy(k) for k in ks], weighting, experts)
    assert added.k not in ks
    assert 1 <= single_k(added) <= experts
    assert added.weighting == weighting


def test_where_all_ks_are_columns_another_has_the_largest() -> None:
    ks = [RoutingPolicy(k) for k in (1, 2, 3)]
    assert further_policy(ks, "native", 3) == RoutingPolicy(3)


def test_equal_names_are_numbered_and_others_are_not() -> None:
    columns = [Column(RoutingPolicy(k)) for k in (4, 8, 4)]
    assert distinct_names(columns) == [
        "column 1: k = 4, native",
        "k = 8, native",
        "column 3: k = 4, native",
    ]


def row(token: int | None, text: str = "", finish: Finish | None = None) -> RowStep:
    logits = np.full((16, 64), token or 0, dtype=np.float32)
    ids, weights = np.zeros((16, 1), dtype=np.int16), np.ones((16, 1), dtype=np.float32)
    return RowStep(token, text, -1.0, finish, logits, ids, weights)


def step(*rows: RowStep, seconds: float) -> Step:
    return Step(0, rows, seconds)


@pytest.fixture
def comparison() -> Comparison:
    made = Comparison(
        prompt="=1+1",
        model="m",
        digest="sha256:0",
        geometry=OLMOE_1B_7B,
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
    assert (first["tokens"], first["seconds"], first["tokens_per_second"]) == (3, 2.0, 1.5)
    assert first["active_parameters"] == 1_282_017_280
    assert first["share_of_parameters"] == 0.1853
    assert (first["finish"], second["finish"]) == ("length", "end")
    assert [column.name for column in comparison.columns] == [
        "k = 8, native",
        "k = 64, renormalized",
    ]


def test_the_records_bring_times_mass_and_what_a_stop_left(
    make_generation: Callable[..., Generation], geometry: Geometry
) -> None:
    made = Comparison("p", "m", "d", geometry, Settings(), [Column(RoutingPolicy(8))])
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
    assert (facts["seconds"], facts["tokens_per_second"]) == (0.5, 4.0)
    assert facts["mean_retained_mass"] == 1.0
    assert facts["finish"] == "stopped"


def test_an_answer_that_was_there_already_brings_all_of_a_text(
    make_generation: Callable[..., Generation], geometry: Geometry
) -> None:
    record = make_generation(tokens=4, policy=RoutingPolicy(2))
    made = Comparison("p", "m", "d", geometry, Settings(), [Column(RoutingPolicy(2))])
    made.keep([record], cached=True)
    (column,) = made.columns
    assert column.cached
    assert column.pieces == ["a", "b", "c", "d"]
    assert column.token_ids == record.token_ids.tolist()
    assert column.logprobs == record.logprobs.tolist()
    assert (made.seconds, made.written) == (record.seconds, 4)
    assert "4 of 80 tokens in each column, 8.0 tokens/s, 0.5 s" in made.progress


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
    made = Comparison("p", "m", "d", geometry, Settings(), [Column(RoutingPolicy(2))])
    made.keep([record])
    (facts,) = made.rows()
    assert made.columns[0].experts_used(3) == [1.5, 1.5, 1.5]
    assert facts["active_parameters"] == active_parameters(geometry, 1.5)
    assert facts["mean_retained_mass"] == pytest.approx(1.5 / (np.exp(5) + 7), abs=1e-5)


def test_an_empty_column_has_no_measurements() -> None:
    empty = Comparison("p", "m", "d", OLMOE_1B_7B, Settings(), [Column(RoutingPolicy(8))])
    empty.keep([])
    facts = empty.rows()[0]
    assert facts["mean_retained_mass"] is None
    assert facts["tokens_per_second"] is None
    assert facts["repetition_rate"] == 0
    assert facts["finish"] == "stopped"


def test_texts_are_compared_with_the_chosen_one_or_the_trained_k() -> None:
    columns = [Column(RoutingPolicy(4)), Column(RoutingPolicy(8)), Column(RoutingPolicy(16))]
    assert reference(columns, None, 8) == 1
    assert reference(columns, 2, 8) == 2
    assert reference(columns, 5, 8) == 1
    assert reference(columns[:1], None, 8) == 0
