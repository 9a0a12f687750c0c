"""What each expert adds to the logit of a token, directly."""

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.records.inspection import Inspection
from olmoe_viz.records.prediction import LogitDirections


def contributions(
    inspection: Inspection, directions: LogitDirections, row: int, which: int
) -> NDArray[np.float64]:
    """Return the direct contribution of each inspected expert to one logit, float64 [n].

    Weight * output * direction, with the weights of policy number `row` of the inspection and the
    logit of token id number `which` of the directions. An approximation: see `LogitDirections` for
    what it leaves out. Both records must be of the same token of the same run, ValueError if not.
    """
    if (inspection.request.run, inspection.token) != (
        directions.request.run,
        directions.request.token,
    ):
        raise ValueError("The inspection and the directions are not of the same token of one run.")
    pushes = inspection.outputs.astype(np.float64) @ directions.directions[which]
    return np.asarray(inspection.weights[row] * pushes)
