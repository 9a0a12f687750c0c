"""The experts that a larger k adds, against inspections and the sum that the layer really adds."""

import numpy as np
import pytest

from olmoe_viz import InputError, RoutingPolicy, Trace, inspect
from olmoe_viz.analysis.extra_experts import extra_experts
from olmoe_viz.analysis.prediction import expert_pushes, logit_direction
from olmoe_viz.models.load import Model

SMALL, LARGE = RoutingPolicy(8), RoutingPolicy(16)
CANDIDATES = (99, 3)


def test_they_are_ranks_nine_to_sixteen_of_the_larger_run(model: Model, wide: Trace):
    last = len(wide.tokens) - 1
    found = extra_experts(model, wide.token_ids, SMALL, LARGE, CANDIDATES)
    assert found.candidates == CANDIDATES
    assert found.ids.shape == found.weights.shape == found.output_norms.shape == (3, 8)
    for layer in range(3):
        seen = inspect(model, wide, layer, last, [LARGE])
        assert found.ids[layer].tolist() == seen.ids[8:].tolist()
        np.testing.assert_allclose(found.weights[layer], seen.weights[0, 8:], rtol=1e-6)
        norms = np.linalg.norm(seen.outputs[8:], axis=-1)
        np.testing.assert_allclose(found.output_norms[layer], norms, rtol=1e-5)
        for column, token_id in enumerate(CANDIDATES):
            pushes = expert_pushes(model, wide, seen, 0, token_id)[8:].sum()
            assert found.logit_moves[layer, column] == pytest.approx(pushes, rel=1e-4)


def test_the_move_is_that_of_the_difference_of_two_sums(model: Model, wide: Trace):
    """With native weights the extra part is all that differs between the two sums."""
    last = len(wide.tokens) - 1
    found = extra_experts(model, wide.token_ids, SMALL, LARGE, CANDIDATES)
    small, large = inspect(model, wide, 1, last, [SMALL, LARGE]).sums.astype(np.float64)
    direction = logit_direction(model, wide, last, CANDIDATES[0])
    assert found.logit_moves[1, 0] == pytest.approx((large - small) @ direction, rel=1e-3)


def test_layers_with_fewer_extra_experts_are_filled_up(model: Model, wide: Trace):
    found = extra_experts(
        model, wide.token_ids, RoutingPolicy((8, 8, 8)), RoutingPolicy((8, 10, 9)), CANDIDATES
    )
    assert (found.ids >= 0).sum(axis=1).tolist() == [0, 2, 1]
    assert ((found.weights > 0) == (found.ids >= 0)).all()
    assert ((found.output_norms > 0) == (found.ids >= 0)).all()
    assert not found.logit_moves[0].any()


@pytest.mark.parametrize(("small", "large"), [(16, 8), (8, 8), ((8, 8, 8), (9, 7, 9))])
def test_nothing_extra_is_refused(
    model: Model, small: int | tuple[int, ...], large: int | tuple[int, ...]
):
    with pytest.raises(InputError, match="must select more experts"):
        extra_experts(model, [65, 66], RoutingPolicy(small), RoutingPolicy(large), CANDIDATES)
