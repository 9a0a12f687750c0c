"""What the experts of a larger k add where two texts part."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.analysis.inspection import inspect
from olmoe_viz.analysis.prediction import logit_direction
from olmoe_viz.engine.inputs import InputError, check_policies
from olmoe_viz.engine.recording import trace
from olmoe_viz.models.load import Model
from olmoe_viz.policy import RoutingPolicy

Float64s = NDArray[np.float64]
Ids = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ExtraExperts:
    """The experts that only the larger policy selects, at the last token of a text.

    `ids` is int64 [layers, most], the extra experts of each layer by falling probability, with
    their `weights` under the larger policy and the `output_norms` (L2, before weighting), both
    float64 [layers, most]; a layer with fewer extra experts ends in id -1, weight 0, norm 0.
    `logit_moves` is float64 [layers, 2]: how much the weighted sum of a layer's extra experts moves
    the logit of each of the two `candidates`, by the direct contribution of
    `prediction.expert_pushes`, with its approximation.
    """

    candidates: tuple[int, int]
    ids: Ids
    weights: Float64s
    output_norms: Float64s
    logit_moves: Float64s


def extra_experts(
    model: Model,
    prompt_ids: Sequence[int] | Ids,
    policy_small: RoutingPolicy,
    policy_large: RoutingPolicy,
    candidates: tuple[int, int],
) -> ExtraExperts:
    """Find what the larger policy adds where the text `prompt_ids` is continued.

    `prompt_ids` are the prompt and what both texts share after it; `candidates` the two tokens that
    they continue with. The run is the larger policy's own: in every layer both policies choose from
    the router's probabilities of that run. Raises InputError when the larger policy selects fewer
    experts somewhere, or nowhere more, and as `trace` and `expert_pushes` do.
    """
    check_policies(model, [policy_small, policy_large])
    layers = model.geometry.layers
    extra = np.subtract(policy_large.ks(layers), policy_small.ks(layers))
    if extra.min() < 0 or extra.max() == 0:
        raise InputError("The larger policy must select more experts than the smaller one.")
    run = trace(model, prompt_ids, policy_large, detail="full")
    last = len(run.tokens) - 1
    directions = np.stack([logit_direction(model, run, last, token) for token in candidates])
    ids = np.full((layers, extra.max()), -1, dtype=np.int64)
    weights, norms = np.zeros(ids.shape), np.zeros(ids.shape)
    moves = np.zeros((layers, 2))
    for layer in range(layers):
        seen = inspect(model, run, layer, last, [policy_small, policy_large])
        only = np.flatnonzero((seen.weights[0] == 0) & (seen.weights[1] > 0))
        outputs = seen.outputs[only].astype(np.float64)
        ids[layer, : len(only)] = seen.ids[only]
        weights[layer, : len(only)] = seen.weights[1, only]
        norms[layer, : len(only)] = np.linalg.norm(outputs, axis=-1)
        moves[layer] = directions @ (seen.weights[1, only] @ outputs)
    return ExtraExperts(candidates, ids, weights, norms, moves)
