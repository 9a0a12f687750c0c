"""Direct contributions of experts to a logit, from records made by hand."""

from dataclasses import replace

import numpy as np
import pytest

from olmoe_viz import Geometry, RoutingPolicy
from olmoe_viz.analysis.attribution import compared, contributions
from olmoe_viz.records.effects import Effects
from olmoe_viz.records.inspection import Inspection
from olmoe_viz.records.prediction import LogitDirections
from olmoe_viz.records.provenance import Provenance
from olmoe_viz.requests import DirectionsRequest, EffectsRequest, InspectRequest, TraceRequest

RUN = TraceRequest("random", "abc", RoutingPolicy(2), detail="full")


@pytest.fixture
def inspection(geometry: Geometry, provenance: Provenance) -> Inspection:
    """Two experts of token 1 in layer 2, with outputs [2, 0, 0, ...] and [0, 3, 0, ...]."""
    hidden, experts = geometry.hidden, geometry.experts
    outputs = np.zeros((2, hidden), dtype=np.float32)
    outputs[0, 0], outputs[1, 1] = 2, 3
    return Inspection(
        request=InspectRequest(RUN, 2, 1, (RoutingPolicy(2), RoutingPolicy(1))),
        input_norm=1.0,
        experts_shown=2,
        geometry=geometry,
        provenance=provenance,
        router_input=np.zeros(hidden, dtype=np.float32),
        router_logits=np.zeros(experts, dtype=np.float32),
        router_cosines=np.zeros(experts),
        ids=np.array([5, 3]),
        outputs=outputs,
        active_shares=np.zeros(2),
        weights=np.array([[0.5, 0.25], [0.5, 0]]),
        sums=np.zeros((2, hidden), dtype=np.float32),
        block_outputs=np.zeros((2, hidden), dtype=np.float32),
        largest_differences=np.zeros(2),
    )


@pytest.fixture
def directions(geometry: Geometry, provenance: Provenance) -> LogitDirections:
    """Token id 7 looks along the first two channels, token id 9 against the second."""
    rows = np.zeros((2, geometry.hidden))
    rows[0, :2], rows[1, 1] = (1, 10), -1
    request = DirectionsRequest(RUN, 1, (7, 9))
    return LogitDirections(request, geometry, provenance, rows, np.zeros(geometry.hidden))


def test_a_contribution_is_weight_times_output_along_the_direction(
    inspection: Inspection, directions: LogitDirections
):
    assert contributions(inspection, directions, 0, 0).tolist() == [0.5 * 2, 0.25 * 30]
    assert contributions(inspection, directions, 1, 0).tolist() == [0.5 * 2, 0]
    assert contributions(inspection, directions, 0, 1).tolist() == [0, 0.25 * -3]


@pytest.mark.parametrize(
    "other",
    [DirectionsRequest(RUN, 2, (7, 9)), DirectionsRequest(replace(RUN, text="x"), 1, (7, 9))],
)
def test_records_of_different_tokens_are_refused(
    inspection: Inspection, directions: LogitDirections, other: DirectionsRequest
):
    with pytest.raises(ValueError, match="not of the same token"):
        contributions(inspection, replace(directions, request=other), 0, 0)


def test_where_measuring_disagrees_is_marked(
    geometry: Geometry, provenance: Provenance, inspection: Inspection, directions: LogitDirections
):
    """Six experts, whose direct contributions are 6, 5, 4, 3, 2 and 1; by hand."""
    six, run = np.arange(6), replace(RUN, policy=RoutingPolicy(6))
    outputs = np.zeros((6, geometry.hidden), np.float32)
    outputs[:, 0] = 6 - six
    seen = replace(
        inspection,
        request=InspectRequest(run, 2, 1, (run.policy,)),
        experts_shown=6,
        ids=six,
        outputs=outputs,
        active_shares=np.zeros(6),
        weights=np.ones((1, 6)),
        sums=outputs[:1],
        block_outputs=outputs[:1],
        largest_differences=np.zeros(1),
    )
    facts = {"request": EffectsRequest(run, ((2, 1),)), "geometry": geometry}
    layout = Effects.layout(facts)
    arrays = {name: np.zeros(shape, dtype) for name, (dtype, shape) in layout.items()}
    arrays["expert_ids"][0] = six[::-1]  # as the run has them, by another order
    # Without the experts the token loses that much: 1 and 2 the other way round, the last first.
    arrays["logprob_changes"][0] = -np.array([9.0, 2, 0.5, -4, -0.1, 6])
    arrays["random_changes"][0] = np.linspace(-0.2, 0.2, 20)
    texts = {"top_tokens": ("a",), "new_top_tokens": (("a",) * 6,)}
    effects = Effects(**facts, **texts, **arrays, provenance=provenance)
    towards = replace(directions, request=replace(directions.request, run=run))
    found = compared(effects, [seen], towards)
    assert found.direct.tolist() == [1, 2, 3, 4, 5, 6]
    assert found.measured.tolist() == [9, 2, 0.5, -4, -0.1, 6]
    # -0.1 is within the band, so that its sign says nothing; its rank does.
    assert found.opposite.tolist() == [False, False, False, True, False, False]
    assert found.far.tolist() == [True, False, False, False, True, False]
    with pytest.raises(ValueError, match="not of the same run"):
        compared(effects, [seen], directions)
    with pytest.raises(ValueError, match="not of the cells"):
        compared(effects, [replace(seen, request=replace(seen.request, layer=1))], towards)
    twice = replace(
        effects,
        request=replace(effects.request, cells=((2, 1), (2, 1))),
        top_tokens=("a",) * 2,
        new_top_tokens=(("a",) * 6,) * 2,
        **{name: np.concatenate([values] * 2) for name, values in arrays.items()},
    )
    both = compared(twice, [seen, seen], towards)
    assert both.far.tolist() == found.far.tolist() * 2
    assert both.direct.tolist() == found.direct.tolist() * 2
