"""What ran, as records hold it: experts of each token, and -1 where there is none."""

import numpy as np
import pytest

from olmoe_viz import Geometry, RoutingPolicy
from olmoe_viz.records.routed import (
    check_routing,
    experts_together,
    experts_used,
    routing_layout,
    width,
)


@pytest.mark.parametrize(
    ("policy", "columns"),
    [
        (RoutingPolicy(3), 3),
        (RoutingPolicy(3, threshold=0.9), 3),
        (RoutingPolicy((1, 5, 2)), 5),
        (RoutingPolicy(None, threshold=0.9), 8),
    ],
)
def test_a_record_has_columns_for_the_most_experts_of_a_token(
    geometry: Geometry, policy: RoutingPolicy, columns: int
):
    assert width(policy, geometry) == columns
    assert routing_layout(policy, geometry, 4, "prompt_") == {
        "prompt_router_logits": ("float32", (3, 4, 8)),
        "prompt_expert_ids": ("int16", (3, 4, columns)),
        "prompt_weights": ("float32", (3, 4, columns)),
    }


@pytest.mark.parametrize(
    ("ids", "weights", "sentence"),
    [
        ([8, -1], [1, 0], "not from 0 to 7"),
        ([-2, -1], [1, 0], "not from 0 to 7"),
        ([0, 1], [1, -0.5], "below 0"),
        ([0, -1], [1, 0.5], "where no expert does"),
        ([-1, -1], [0, 0], "no expert"),
        ([-1, 0], [0, 1], "gap"),
        ([5, 5], [0.5, 0.5], "same expert twice"),
    ],
)
def test_routing_that_cannot_have_run_is_refused(
    geometry: Geometry, ids: list[int], weights: list[float], sentence: str
):
    good = np.array([[[0, 1]]] * 3, np.int16), np.array([[[0.5, 0.25]]] * 3, np.float32)
    check_routing(*good, geometry)
    good[0][1, 0], good[1][1, 0] = ids, weights
    with pytest.raises(ValueError, match=sentence):
        check_routing(*good, geometry)


def test_a_weight_of_zero_and_no_tokens_are_no_errors(geometry: Geometry):
    check_routing(np.zeros((3, 2, 1), np.int16), np.zeros((3, 2, 1), np.float32), geometry)
    check_routing(np.zeros((3, 0, 4), np.int16), np.zeros((3, 0, 4), np.float32), geometry)


def test_experts_used_is_the_mean_over_the_tokens():
    ids = np.array([[[0, 1, 2], [0, -1, -1]], [[3, 4, -1], [5, -1, -1]]], np.int16)
    assert experts_used(ids).tolist() == [2.0, 1.5]
    assert experts_used(ids[:, :0]).tolist() == [0.0, 0.0]


def test_an_expert_that_several_rows_use_in_a_step_counts_once():
    long = np.array([[[0, 1], [2, -1]], [[3, 4], [3, 4]]], np.int16)
    short = np.array([[[1]], [[5]]], np.int16)
    assert experts_together([long, short], 8).tolist() == [(2 + 1) / 2, (3 + 2) / 2]
    assert experts_together([short, long], 8).tolist() == [1.5, 2.5]
    assert experts_together([long[:, :0], short[:, :0]], 8).tolist() == [0.0, 0.0]
