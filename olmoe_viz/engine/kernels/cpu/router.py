"""The experts of each row and their weights, under the row's own policy.

The rule is that of `families.gate`: softmax in float32, strongest first, equal ones by rising id.
Interventions on the routing belong here, between the logits and the choice.
"""

import numpy as np
from numba import njit
from torch import Tensor

from olmoe_viz.engine.kernels.cpu.attention import padded, softmax
from olmoe_viz.engine.kernels.cpu.linear import copy
from olmoe_viz.families.gate import GateRule, choose, plan_layer, weigh
from olmoe_viz.policy import WEIGHTINGS, RoutingPolicy

_NATIVE = WEIGHTINGS.index("native")
_ANCHORED = WEIGHTINGS.index("gain_anchored")


@njit
def route(logits, k, trained_k, threshold, weighting, ids, weights):
    """Choose and weigh the experts of one token from logits [experts].

    Writes up to `k` into `ids` and `weights` [largest k], and -1 and 0 into the rest. `weighting`
    is an index into `policy.WEIGHTINGS`.
    """
    scores = np.full(padded(len(logits)), -np.inf, np.float32)
    copy(logits, scores[: len(logits)])
    softmax(scores)
    for rank in range(len(ids)):
        ids[rank], weights[rank] = -1, 0
    mass, anchor = np.float32(0), np.float32(0)
    for rank in range(max(k, trained_k) if weighting == _ANCHORED else k):
        best = _strongest(scores)
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


@njit
def _strongest(scores):
    """Return the first of the largest."""
    best = 0
    for expert in range(1, len(scores)):
        if scores[expert] > scores[best]:
            best = expert
    return best


def route_reference(logits: Tensor, policy: RoutingPolicy, trained_k: int) -> tuple[Tensor, Tensor]:
    """Return ids and weights, both [k]."""
    (k,) = policy.ks(1, len(logits))
    plan = plan_layer([policy], [k], trained_k, logits.device)
    ids, weights, used = weigh(GateRule(), plan, choose(GateRule(), plan, logits.unsqueeze(0)))
    if used is not None:
        ids = ids.masked_fill(~used.view_as(ids), -1)
    return ids[0], weights[0]
