"""Interventions on the routing of one row, in the order of `families.gate`, the reference."""

import triton
import triton.language as tl

from olmoe_viz.families import edits
from olmoe_viz.interventions import LOST_MASS

BARRED, FORCED, ADDED, OFF = (
    tl.constexpr(bit) for bit in (edits.BARRED, edits.FORCED, edits.ADDED, edits.OFF)
)
_RESTORE, _RENORMALIZE = (
    tl.constexpr(LOST_MASS.index("restore")),
    tl.constexpr(LOST_MASS.index("renormalize")),
)


@triton.jit
def intervened(
    logits, p, own, factor, k, threshold, bias, marks, targets, mass, E: tl.constexpr
):  # fmt: skip
    """Return the weights [experts] of a row under interventions, -1 where an expert does not run.

    `logits` and their softmax `p` are [experts], `own` what the policy alone gives, `factor` its
    scale between scores and weights. `bias`, `marks` and `targets` point to the numbers of
    `families.edits.Coded`, `mass` is an index into `LOST_MASS`. Where nothing changes it is `own`.
    """
    i = tl.arange(0, E)
    bias, marks, targets = tl.load(bias + i), tl.load(marks + i), tl.load(targets + i)
    pushed = logits + bias
    grown = tl.exp(pushed - tl.max(pushed, 0))
    # Without a bias the scores are the policy's own, to the bit.
    scores = tl.where(tl.max(tl.abs(bias), 0) > 0, grown / tl.sum(grown, 0), p)
    runs = _chosen(scores, marks, k, threshold, E)
    weights = tl.where(runs, scores * factor, 0.0)
    # Weights move to whoever was swapped in, then some are switched off.
    moves = targets[:, None] == i[None, :]
    weights = tl.sum(tl.where(moves, weights[:, None], 0.0), 0)
    runs = tl.sum(tl.where(moves, runs.to(tl.int32)[:, None], 0), 0) > 0
    weights = tl.where((marks & OFF) > 0, 0.0, weights)
    after = tl.where(runs, weights, -1.0)
    left, before = tl.sum(weights, 0), tl.sum(tl.maximum(own, 0.0), 0)
    goal = tl.where(mass == _RESTORE, before, tl.where(mass == _RENORMALIZE, 1.0, left))
    scaled = after * tl.where(left > 0, goal / left, 1.0)
    changed = tl.max((after != own).to(tl.int32), 0) > 0
    return tl.where(changed, tl.where(runs, scaled, -1.0), own)


@triton.jit
def _chosen(scores, marks, k, threshold, E: tl.constexpr):
    """Return which experts run: those forced, the strongest in the places left, those added."""
    i = tl.arange(0, E)
    barred, forced = (marks & BARRED) > 0, (marks & FORCED) > 0
    preference = tl.where(barred, -1.0, scores)  # the barred come last
    one, other = preference[:, None], preference[None, :]
    ahead = (other > one) | ((other == one) & (i[None, :] < i[:, None]))
    rank = tl.sum(ahead.to(tl.int32), 1)
    within = (rank < k) & ((scores >= threshold) | (rank == 0)) & (barred == 0)
    room = tl.sum(within.to(tl.int32), 0) - tl.sum(forced.to(tl.int32), 0)
    others = (within & (forced == 0)).to(tl.int32)
    before = tl.sum(tl.where(ahead, others[None, :], 0), 1)
    return forced | ((marks & ADDED) > 0) | ((others > 0) & (before < room))
