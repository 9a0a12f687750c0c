"""The experts that a larger k adds, against inspections and the sum that the layer really adds."""

import numpy as np
import pytest

from olmoe_viz import InputError, RoutingPolicy, Trace
from olmoe_viz.analysis.attribution import contributions
from olmoe_viz.analysis.extra_experts import ExtraExperts, extra_experts
from olmoe_viz.engine.engine import Ask
from olmoe_viz.models.model import Model
from olmoe_viz.requests import DirectionsRequest, InspectRequest, TraceRequest

SMALL, LARGE = RoutingPolicy(8), RoutingPolicy(16)
CANDIDATES = (99, 3)


@pytest.fixture(scope="module")
def ids(ask: Ask, model: Model) -> np.ndarray:
    """Return the ids of a text."""
    return ask(TraceRequest(model.name, "Süß 🙂, said the robot.", SMALL)).token_ids


@pytest.fixture(scope="module")
def run(ask: Ask, model: Model, ids: np.ndarray) -> Trace:
    """Return the run of the larger k."""
    return ask(TraceRequest(model.name, tuple(ids.tolist()), LARGE, detail="full"))


@pytest.fixture(scope="module")
def found(ask: Ask, model: Model, ids: np.ndarray) -> ExtraExperts:
    return extra_experts(ask, model.name, ids, SMALL, LARGE, CANDIDATES)


def test_they_are_ranks_nine_to_sixteen_of_the_larger_run(
    ask: Ask, run: Trace, found: ExtraExperts
):
    assert found.candidates == CANDIDATES
    assert found.layer_ids == (0, 1, 2)
    np.testing.assert_array_equal(found.ids, run.expert_ids[:, -1, 8:])
    np.testing.assert_allclose(found.weights, run.weights[:, -1, 8:], rtol=1e-4)
    last = len(run.tokens) - 1
    towards = ask(DirectionsRequest(run.request, last, CANDIDATES))
    for layer in range(3):
        seen = ask(InspectRequest(run.request, layer, last, (LARGE,)))
        norms = np.linalg.norm(seen.outputs[8:], axis=-1)
        np.testing.assert_allclose(found.output_norms[layer], norms, rtol=1e-5)
        for which in range(2):
            pushes = contributions(seen, towards, 0, which)[8:].sum()
            assert found.logit_moves[layer, which] == pytest.approx(pushes, rel=1e-4)


def test_the_move_is_that_of_the_difference_of_two_sums(ask: Ask, run: Trace, found: ExtraExperts):
    """With native weights the extra part is all that differs between the two sums."""
    last = len(run.tokens) - 1
    seen = ask(InspectRequest(run.request, 1, last, (SMALL, LARGE)))
    small, large = seen.sums.astype(np.float64)
    direction = ask(DirectionsRequest(run.request, last, CANDIDATES)).directions[0]
    assert found.logit_moves[1, 0] == pytest.approx((large - small) @ direction, rel=1e-3)


def test_layers_with_fewer_extra_experts_are_filled_up(ask: Ask, model: Model, ids: np.ndarray):
    small, large = RoutingPolicy((8, 8, 8)), RoutingPolicy((8, 10, 9))
    found = extra_experts(ask, model.name, ids, small, large, CANDIDATES)
    assert (found.ids >= 0).sum(axis=1).tolist() == [0, 2, 1]
    assert ((found.weights > 0) == (found.ids >= 0)).all()
    assert ((found.output_norms > 0) == (found.ids >= 0)).all()
    assert not found.logit_moves[0].any()


def test_a_threshold_adds_the_experts_that_reach_it(ask: Ask, model: Model, ids: np.ndarray):
    small, large = RoutingPolicy(1), RoutingPolicy(threshold=0.01)
    found = extra_experts(ask, model.name, ids, small, large, CANDIDATES)
    run = ask(TraceRequest(model.name, tuple(ids.tolist()), large))
    ran = (run.expert_ids[:, -1] >= 0).sum(axis=-1)
    assert ((found.ids >= 0).sum(axis=1) == ran - 1).all()
    assert found.weights[found.ids >= 0].min() >= 0.01


@pytest.mark.parametrize(
    ("small", "large"),
    [
        (RoutingPolicy(16), RoutingPolicy(8)),
        (RoutingPolicy(8), RoutingPolicy(8)),
        (RoutingPolicy((8, 8, 8)), RoutingPolicy((9, 7, 9))),
        (RoutingPolicy(8), RoutingPolicy(16, threshold=1)),
    ],
    ids=str,
)
def test_nothing_extra_is_refused(
    ask: Ask, model: Model, small: RoutingPolicy, large: RoutingPolicy
):
    with pytest.raises(InputError, match="must select more experts"):
        extra_experts(ask, model.name, [65, 66], small, large, CANDIDATES)
