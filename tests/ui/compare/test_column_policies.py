import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olmoe_viz.policy import WEIGHTINGS, RoutingPolicy, Weighting
from olmoe_viz.ui.compare.column_policies import (
    MOST,
    doubled_ks,
    fit,
    frame_policies,
    further_policy,
    single_k,
)
from olmoe_viz.ui.texts import compare as texts


@pytest.mark.parametrize(
    ("k", "against", "experts", "columns"),
    [
        (8, 16, 64, [8, 16, 32, 64]),
        (4, 16, 64, [4, 8, 16, 32, 64]),
        (8, 8, 64, [8, 16, 32, 64]),
        (1, 2, 64, [1, 2, 8, 16, 32, 64]),
        (4, 16, 24, [4, 8, 16, 24]),
        (1, 3, 256, [1, 3, 8, 16, 32, 64]),
        (1, 2, 8, [1, 2, 8]),
    ],
)
def test_columns_are_the_frames_two_ks_and_the_trained_k_doubled(
    k: int, against: int, experts: int, columns: list[int]
) -> None:
    found = frame_policies(k, against, "renormalized", 8, experts)
    assert [policy.k for policy in found] == columns
    assert {policy.weighting for policy in found} == {"renormalized"}


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 300), st.integers(0, 300))
def test_the_sentence_beside_the_columns_names_every_one_of_them(
    k: int, against: int, trained_k: int, more: int
) -> None:
    experts = max(k, against, trained_k) + more
    columns = frame_policies(k, against, "native", trained_k, experts)
    assert len(columns) <= MOST
    sentence = texts.frame_columns(k, against, doubled_ks(trained_k, experts))
    said = set(map(int, re.findall(r"\d+", sentence)))
    assert said == {single_k(policy) for policy in columns}


def test_where_fewer_columns_are_allowed_the_frames_ks_come_first() -> None:
    for most, columns in ((2, [4, 16]), (3, [4, 8, 16]), (6, [4, 8, 16, 32, 64])):
        assert [each.k for each in frame_policies(4, 16, "native", 8, 64, most)] == columns


def test_only_ks_that_the_model_has_fit() -> None:
    named = [RoutingPolicy(8), RoutingPolicy(24)]
    assert fit(named, 24)
    assert not fit(named, 23)
    with pytest.raises(ValueError, match="one k"):
        single_k(RoutingPolicy((8, 8)))


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
