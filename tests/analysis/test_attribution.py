"""Direct contributions of experts to a logit, from records made by hand."""

from dataclasses import replace

import numpy as np
import pytest

from olmoe_viz import Geometry, RoutingPolicy
from olmoe_viz.analysis.attribution import contributions
from olmoe_viz.records.inspection import Inspection
from olmoe_viz.records.prediction import LogitDirections
from olmoe_viz.records.provenance import Provenance
from olmoe_viz.requests import DirectionsRequest, InspectRequest, TraceRequest

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
    return LogitDirections(DirectionsRequest(RUN, 1, (7, 9)), geometry, provenance, rows)


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
