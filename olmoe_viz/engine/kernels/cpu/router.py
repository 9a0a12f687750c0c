"""The experts of each row and their weights, under the row's own policy.

The rule is that of `families.gate`: softmax in float32, strongest first, equal ones by rising id.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from olmoe_viz.engine.kernels.cpu.attention import padded, softmax
from olmoe_viz.engine.kernels.cpu.linear import copy
from olmoe_viz.families.edits import Cell, edits_of
from olmoe_viz.families.gate import GateRule, plan_layer
from olmoe_viz.families.gate import route as route_by_rule
from olmoe_viz.policy import WEIGHTINGS, RoutingPolicy

_NATIVE = WEIGHTINGS.index("native")
_ANCHORED = WEIGHTINGS.index("gain_anchored")


@njit
def route(logits, k, trained_k, threshold, weighting, ids, weights):
    """Choose and weigh the experts of one token from logits [experts].

    Writes up to `k` into `ids` and `weights` [largest k], and -1 and 0 into the rest. `weighting`
    is an index into `policy.WEIGHTINGS`. Returns the scale between scores and weights.
    """
    scores = np.full(padded(len(logits)), -np.inf, np.float32)
    copy(logits, scores[: len(logits)])
    softmax(scores)
    for rank in range(len(ids)):
        ids[rank], weights[rank] = -1, 0
    mass, anchor = np.float32(0), np.float32(0)
    for rank in range(max(k, trained_k) if weighting == _ANCHORED else k):
        best = strongest(scores)
        score, scores[best] = scores[best], -1
        if rank < trained_k:
            anchor += score
        if rank < k and (score >= threshold or rank == 0):
            ids[rank], weights[rank] = best, score
            mass += score
    if weighting != _NATIVE:
        scale = (anchor if weighting == _ANCHORED else np.float32(1)) / mass
        for rank in range(len(weights)):
            weights[rank] *= scale
        return scale
    return np.float32(1)


@njit
def strongest(scores):
    """Return the number of the first of the largest."""
    best = 0
    for expert in range(1, len(scores)):
        if scores[expert] > scores[best]:
            best = expert
    return best


def route_reference(
    logits: Tensor, policy: RoutingPolicy, trained_k: int, cell: Cell = ((), "drop")
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return ids and weights of a token in layer 0 on which a cell acts, both [k]."""
    (k,) = policy.ks(1, len(logits))
    plan = plan_layer([policy], [k], trained_k, logits.device)
    edits = edits_of((cell,), 0, len(logits), k, logits.device)
    found = route_by_rule(GateRule(), replace(plan, edits=edits), logits.unsqueeze(0))
    return found.named()[0].numpy(), found.weights[0].numpy()
