"""The router: the experts of each row under its own policy, and who uses which expert.

A program chooses the experts of a row, the last of all lists them. The rule is that of
`families.gate`: softmax in float32, strongest first, equal ones by rising id. The logits come from
the projection before, all but their scale.
"""

from dataclasses import replace

import torch
import triton
import triton.language as tl

from olmoe_viz.engine.kernels.gpu.interventions import intervened
from olmoe_viz.engine.kernels.gpu.launch import arrives_last, options, product, rms_scale, wait
from olmoe_viz.engine.kernels.gpu.work import MAX_ROWS, Sizes, Work
from olmoe_viz.families.edits import Coded, Edits, edits_from
from olmoe_viz.families.gate import GateRule, plan_layer, route
from olmoe_viz.policy import WEIGHTINGS, RoutingPolicy

WARPS = 8


@triton.jit
def _choose(logits, k, threshold, weighting, E: tl.constexpr, TRAINED: tl.constexpr):
    """Return of every expert of one row its score, its weight or -1, and the scale between them."""
    i = tl.arange(0, E)
    grown = tl.exp(logits - tl.max(logits, 0))
    p = grown / tl.sum(grown, 0)
    one, other = p[:, None], p[None, :]
    before = (other > one) | ((other == one) & (i[None, :] < i[:, None]))
    rank = tl.sum(before.to(tl.int32), 1)
    runs = (rank < k) & ((p >= threshold) | (rank == 0))
    mass = tl.sum(tl.where(runs, p, 0.0), 0)
    anchor = tl.sum(tl.where(rank < TRAINED, p, 0.0), 0)
    target = tl.where(weighting == 1, 1.0, anchor)
    factor = tl.where(weighting == 0, 1.0, target / mass)
    return p, tl.where(runs, p * factor, -1.0), factor


@triton.jit
def _list_used(counting, count, used, used_count, users, E: tl.constexpr):
    """List the experts that any row uses, by rising id; leave the counters at 0."""
    i = tl.arange(0, E)
    is_used = (count > 0).to(tl.int32)
    tl.store(used + tl.cumsum(is_used, 0) - 1, i, mask=is_used > 0)
    tl.store(used_count, tl.sum(is_used, 0))
    tl.store(users + i, count)
    tl.store(counting + i, 0)


@triton.jit(do_not_specialize=["layer"])
def _route(
    raw, squares, ks, thresholds, weightings, acting, bias, marks, targets, masses, record, scales,
    counting, used, used_count, users, row_ids, row_weights, arrived, layer,
    H: tl.constexpr, E: tl.constexpr, LAYERS: tl.constexpr, TRAINED: tl.constexpr,
    ROWS: tl.constexpr, PARTS: tl.constexpr, EPSILON: tl.constexpr, PDL: tl.constexpr,
):  # fmt: skip
    row, rows, i = tl.program_id(0), tl.num_programs(0), tl.arange(0, E)
    k = tl.load(ks + layer * ROWS + row)
    threshold, weighting = tl.load(thresholds + row), tl.load(weightings + row)
    acts, mass = tl.load(acting + row * LAYERS + layer), tl.load(masses + row)
    here = (row * LAYERS + layer) * E
    wait(PDL)
    unscaled = tl.load(raw + row * E + i)
    scale = rms_scale(squares, row, PARTS, H, EPSILON)
    logits = product(unscaled, scale)
    p, weights, factor = _choose(logits, k, threshold, weighting, E, TRAINED)
    if acts > 0:
        weights = intervened(
            logits, p, weights, factor, k, threshold,
            bias + here, marks + here, targets + here, mass, E,
        )  # fmt: skip
    runs = weights >= 0
    # Rows come in any order: each is summed by itself. One row alone needs no counting.
    several = rows > 1
    place = tl.atomic_add(counting + i, 1, mask=runs & several, sem="relaxed")
    at = i * ROWS + tl.where(several, place, 0)
    tl.store(row_ids + at, row, mask=runs)
    tl.store(row_weights + at, weights, mask=runs)
    tl.store(scales + row, scale)
    recorded = record + (row * 2 * LAYERS + layer) * E
    tl.store(recorded + i, logits)
    tl.store(recorded + LAYERS * E + i, weights)
    last = True
    if several:
        last = arrives_last(arrived, rows)
    if last:
        counted = tl.load(counting + i, cache_modifier=".cg")
        count = tl.where(several, counted, runs.to(tl.int32))
        _list_used(counting, count, used, used_count, users, E)


def run(sizes: Sizes, index: int, work: Work, *, pdl: bool) -> None:
    """Record what the router of layer `index` says and what runs, and list who uses what."""
    _route[(work.rows,)](
        work.raw, work.squares, work.ks, work.threshold, work.weighting, work.acting, work.bias,
        work.marks, work.targets, work.mass, work.record, work.scale, work.counting, work.used,
        work.used_count, work.users, work.row_ids, work.row_weights,
        work.arrived[MAX_ROWS * sizes.heads :], index,
        sizes.hidden, sizes.experts, sizes.layers, sizes.trained_k, MAX_ROWS, sizes.parts,
        sizes.epsilon, **options(pdl, WARPS),
    )  # fmt: skip


def reference(sizes: Sizes, index: int, work: Work) -> None:
    """As `run`, by the rule that the rest of the program uses."""
    work.scale.copy_((work.squares.sum(-1) / sizes.hidden + sizes.epsilon).rsqrt())
    logits = work.raw * work.scale.unsqueeze(1)
    work.record[:, 0, index] = logits
    work.record[:, 1, index] = -1
    for row in range(work.rows):
        k = int(work.ks[index, row])
        if k == 0:
            continue
        weighting = WEIGHTINGS[int(work.weighting[row])]
        policy = RoutingPolicy(k, weighting, float(work.threshold[row]))
        plan = plan_layer([policy], [k], sizes.trained_k, logits.device)
        plan = replace(plan, edits=_edits(sizes, index, work, row))
        found = route(GateRule(), plan, logits[row : row + 1])
        ran = found.named() >= 0
        work.record[row, 1, index, found.ids[ran]] = found.weights[ran]
    _list_reference(work, work.record[:, 1, index])


def _edits(sizes: Sizes, index: int, work: Work, row: int) -> Edits | None:
    """Return what acts on a row in layer `index`."""
    if not work.acting[row, index]:
        return None
    numbers = (each[row, index, None] for each in (work.bias, work.marks, work.targets))
    stacked = Coded(*(each.cpu().numpy() for each in numbers))
    return edits_from(stacked, [int(work.mass[row])], sizes.experts, work.raw.device)


def _list_reference(work: Work, weights: torch.Tensor) -> None:
    used = (weights >= 0).any(0).nonzero().flatten()
    work.used[: len(used)] = used.int()
    work.used_count[0] = len(used)
    work.users.copy_((weights >= 0).sum(0))
    for expert in used.tolist():
        rows = (weights[:, expert] >= 0).nonzero().flatten()
        work.row_ids[expert, : len(rows)] = rows.int()
        work.row_weights[expert, : len(rows)] = weights[rows, expert]
