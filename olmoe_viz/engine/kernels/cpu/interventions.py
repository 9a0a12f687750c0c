"""Interventions on the routing of one token, in the order of `families.gate`, the reference."""

import numpy as np
from numba import njit

from olmoe_viz.engine.kernels.cpu.attention import padded, softmax
from olmoe_viz.engine.kernels.cpu.router import strongest
from olmoe_viz.families.edits import ADDED, BARRED, FORCED, OFF
from olmoe_viz.interventions import LOST_MASS

_RESTORE, _RENORMALIZE = LOST_MASS.index("restore"), LOST_MASS.index("renormalize")


@njit
def intervene(logits, k, threshold, scale, mass, bias, marks, targets, ids, weights):
    """Change what runs for one token, which `route` has written with the `scale` that it returned.

    `bias`, `marks` and `targets` are a row of `families.edits.Tables`, `mass` is an index into
    `LOST_MASS`. A token of which nothing changes is left as it is.
    """
    experts = len(logits)
    # What an expert that does not run weighs here is -1.
    before, after = np.full(experts, -1, np.float32), np.full(experts, -1, np.float32)
    for rank in range(len(ids)):
        if ids[rank] >= 0:
            before[ids[rank]] = weights[rank]
    scores = np.full(padded(experts), -np.inf, np.float32)
    for expert in range(experts):
        scores[expert] = logits[expert] + bias[expert]
    softmax(scores)
    chosen, left = np.zeros(experts, np.uint8), np.empty(experts, np.float32)
    _choose(scores, k, threshold, marks, left, chosen)
    for expert in range(experts):
        if chosen[expert]:
            target = targets[expert]
            after[target] = max(after[target], np.float32(0)) + scores[expert] * scale
    changed, factor = _settle(before, after, marks, mass)
    if changed:
        _write(after, factor, scores, marks, ids, weights)


@njit
def _settle(before, after, marks, mass):
    """Switch experts off; return whether anything changed, and the factor for lost mass."""
    changed, lost, kept = False, np.float32(0), np.float32(0)
    for expert in range(len(after)):
        if marks[expert] & OFF:
            after[expert] = min(after[expert], np.float32(0))
        changed |= after[expert] != before[expert]
        lost += max(before[expert], np.float32(0))
        kept += max(after[expert], np.float32(0))
    if kept > 0 and mass == _RESTORE:
        return changed, lost / kept
    if kept > 0 and mass == _RENORMALIZE:
        return changed, np.float32(1) / kept
    return changed, np.float32(1)


@njit
def _choose(scores, k, threshold, marks, left, chosen):
    """Mark the chosen experts: those forced, the strongest in the places that are left, the added.

    `left` is scratch memory, [experts].
    """
    count, room = 0, 0
    for expert in range(len(left)):
        left[expert] = np.float32(-1) if marks[expert] & BARRED else scores[expert]
        room -= marks[expert] & FORCED > 0
    order = np.empty(k, np.int64)
    for rank in range(k):
        best = strongest(left)
        if left[best] < 0 or (rank > 0 and left[best] < threshold):
            break
        order[rank], left[best] = best, -1
        count += 1
    room += count
    for rank in range(count):
        if not marks[order[rank]] & FORCED:
            chosen[order[rank]] = room > 0
            room -= 1
    for expert in range(len(left)):
        if marks[expert] & (FORCED | ADDED):
            chosen[expert] = 1


@njit
def _write(after, factor, scores, marks, ids, weights):
    """Write what runs by falling weight; of equals the stronger first, and barred ones last."""
    for rank in range(len(ids)):
        ids[rank], weights[rank] = -1, 0
        best, best_score = -1, np.float32(0)
        for expert in range(len(after)):
            score = np.float32(-1) if marks[expert] & BARRED else scores[expert]
            if after[expert] >= 0 and (
                best < 0
                or after[expert] > after[best]
                or (after[expert] == after[best] and score > best_score)
            ):
                best, best_score = expert, score
        if best >= 0:
            ids[rank], weights[rank], after[best] = best, after[best] * factor, -1
