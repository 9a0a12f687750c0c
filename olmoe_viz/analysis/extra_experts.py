"""What the experts of a larger k add where two texts part."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.analysis.attribution import contributions
from olmoe_viz.engine.engine import Ask
from olmoe_viz.errors import InputError
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.records.inspection import Inspection
from olmoe_viz.requests import DirectionsRequest, InspectRequest, TraceRequest

Float64s = NDArray[np.float64]
Ids = NDArray[np.int64]
_SMALL, _LARGE = 0, 1  # rows of the inspections


@dataclass(frozen=True, eq=False)
class ExtraExperts:
    """The experts that only the larger policy selects, at the last token of a text.

    The first axis are the layers of experts, `layer_ids` counted over all blocks. `ids` is int64
    [layers, most], the extra experts of each layer by falling probability, with their `weights`
    under the larger policy and the `output_norms` (L2, before weighting), both float64
    [layers, most]; a layer with fewer extra experts ends in id -1, weight 0, norm 0. `logit_moves`
    is float64 [layers, 2]: how much the weighted sum of a layer's extra experts moves the logit of
    each of the two `candidates`, by the direct contribution of `attribution.contributions`, with
    its approximation.
    """

    candidates: tuple[int, int]
    layer_ids: tuple[int, ...]
    ids: Ids
    weights: Float64s
    output_norms: Float64s
    logit_moves: Float64s


def extra_experts(
    ask: Ask,
    model: str,
    prompt_ids: Sequence[int] | Ids,
    small: RoutingPolicy,
    large: RoutingPolicy,
    candidates: tuple[int, int],
) -> ExtraExperts:
    """Find what the larger policy adds where the text `prompt_ids` is continued.

    `prompt_ids` are the prompt and what both texts share after it; `candidates` the two tokens that
    they continue with. The run is the larger policy's own: in every layer both policies choose from
    the router's probabilities of that run. Raises InputError when the larger policy leaves out an
    expert of the smaller one, or adds none in any layer, and whatever `ask` raises.
    """
    run = TraceRequest(model, tuple(map(int, prompt_ids)), large, detail="full")
    last = len(prompt_ids) - 1
    directions = ask(DirectionsRequest(run, last, candidates))
    layer_ids = directions.geometry.layer_ids
    opened = [ask(InspectRequest(run, layer, last, (small, large))) for layer in layer_ids]
    extra = [np.flatnonzero(_only(seen, _LARGE, _SMALL)) for seen in opened]
    most = max(map(len, extra))
    if most == 0 or any(_only(seen, _SMALL, _LARGE).any() for seen in opened):
        raise InputError("The larger policy must select more experts than the smaller one.")
    ids = np.full((len(opened), most), -1, dtype=np.int64)
    weights, norms, moves = np.zeros(ids.shape), np.zeros(ids.shape), np.zeros((len(opened), 2))
    for layer, (seen, places) in enumerate(zip(opened, extra, strict=True)):
        ids[layer, : len(places)] = seen.ids[places]
        weights[layer, : len(places)] = seen.weights[_LARGE, places]
        outputs = seen.outputs[places].astype(np.float64)
        norms[layer, : len(places)] = np.linalg.norm(outputs, axis=-1)
        for which in range(2):
            moves[layer, which] = contributions(seen, directions, _LARGE, which)[places].sum()
    return ExtraExperts(candidates, layer_ids, ids, weights, norms, moves)


def _only(seen: Inspection, one: int, other: int) -> NDArray[np.bool_]:
    """Mark the experts that policy `one` selects and policy `other` does not, [n]."""
    return np.asarray((seen.weights[one] > 0) & (seen.weights[other] == 0))
