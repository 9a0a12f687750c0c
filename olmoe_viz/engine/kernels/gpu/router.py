"""The router: logits, the experts of each row under its own policy, and who uses which expert.

The last program of a row chooses its experts, the last of all lists them. The rule is that of
`families.gate`: softmax in float32, strongest first, equal ones by rising id.
"""

import torch
import triton
import triton.language as tl

from olmoe_viz.engine.kernels.gpu.launch import arrives_last, options, rms_scale, wait
from olmoe_viz.engine.kernels.gpu.work import MAX_ROWS, LayerWeights, Sizes, Work
from olmoe_viz.families.gate import GateRule, choose, plan_layer, weigh
from olmoe_viz.policy import WEIGHTINGS, RoutingPolicy

EXPERTS, WARPS = 8, 8


@triton.jit
def _weights(logits, k, threshold, weighting, E: tl.constexpr, TRAINED: tl.constexpr):
    """Return the weight of every expert of one row, -1 where it does not run."""
    i = tl.arange(0, E)
    x = tl.load(logits + i, cache_modifier=".cg")
    grown = tl.exp(x - tl.max(x, 0))
    p = grown / tl.sum(grown, 0)
    other = tl.load(logits + i, cache_modifier=".cg")
    grown_other = tl.exp(other - tl.max(other, 0))
    q = grown_other / tl.sum(grown_other, 0)
    before = (q[None, :] > p[:, None]) | ((q[None, :] == p[:, None]) & (i[None, :] < i[:, None]))
    rank = tl.sum(before.to(tl.int32), 1)
    runs = (rank < k) & ((p >= threshold) | (rank == 0))
    mass = tl.sum(tl.where(runs, p, 0.0), 0)
    anchor = tl.sum(tl.where(rank < TRAINED, p, 0.0), 0)
    target = tl.where(weighting == 0, mass, tl.where(weighting == 1, 1.0, anchor))
    weight = tl.where(weighting == 0, p, p * (target / mass))
    return tl.where(runs, weight, -1.0)


@triton.jit
def _list_used(counting, count, used, used_count, users, E: tl.constexpr):
    """List the experts that any row uses, by rising id; leave the counters at 0."""
    i = tl.arange(0, E)
    is_used = (count > 0).to(tl.int32)
    tl.store(used + tl.cumsum(is_used, 0) - 1, i, mask=is_used > 0)
    tl.store(used_count, tl.sum(is_used, 0))
    tl.store(users + i, count)
    tl.store(counting + i, 0)


@triton.jit
def _route(
    scaled, squares, matrix, ks, thresholds, weightings, record, scales,
    counting, used, used_count, users, row_ids, row_weights, arrived, layer,
    H: tl.constexpr, E: tl.constexpr, LAYERS: tl.constexpr, TRAINED: tl.constexpr,
    ROWS: tl.constexpr, BE: tl.constexpr, PARTS: tl.constexpr, EPSILON: tl.constexpr,
    PDL: tl.constexpr,
):  # fmt: skip
    program, row, rows = tl.program_id(0), tl.program_id(1), tl.num_programs(1)
    experts, k, i = program * BE + tl.arange(0, BE), tl.arange(0, H), tl.arange(0, E)
    tile = tl.load(matrix + experts[:, None] * H + k[None, :])
    k_row = tl.load(ks + layer * ROWS + row)
    threshold = tl.load(thresholds + row)
    weighting = tl.load(weightings + row)
    wait(PDL)
    vector = tl.load(scaled + row * H + k).to(tl.float32)
    scale = rms_scale(squares, row, PARTS, H, EPSILON)
    logits = record + (row * 2 * LAYERS + layer) * E
    tl.store(logits + experts, tl.sum(tile.to(tl.float32) * vector[None, :], 1) * scale)
    if program == 0:
        tl.store(scales + row, scale)
    if arrives_last(arrived + row, E // BE):
        weights = _weights(logits, k_row, threshold, weighting, E, TRAINED)
        runs = weights >= 0
        tl.store(logits + LAYERS * E + i, weights)
        # Rows come in any order: each is summed by itself. One row alone needs no counting.
        several = rows > 1
        place = tl.atomic_add(counting + i, 1, mask=runs & several, sem="relaxed")
        at = i * ROWS + tl.where(several, place, 0)
        tl.store(row_ids + at, row, mask=runs)
        tl.store(row_weights + at, weights, mask=runs)
        last = True
        if several:
            last = arrives_last(arrived + ROWS, rows)
        if last:
            counted = tl.load(counting + i, cache_modifier=".cg")
            count = tl.where(several, counted, runs.to(tl.int32))
            _list_used(counting, count, used, used_count, users, E)


def run(sizes: Sizes, layer: LayerWeights, index: int, work: Work, *, pdl: bool) -> None:
    """Record what the router of layer `index` says and what runs, and list who uses what."""
    _route[(sizes.experts // EXPERTS, work.rows)](
        work.scaled, work.squares, layer.router, work.ks, work.threshold, work.weighting,
        work.record, work.scale, work.counting, work.used, work.used_count, work.users,
        work.row_ids, work.row_weights, work.arrived[MAX_ROWS * sizes.heads :], index,
        sizes.hidden, sizes.experts, sizes.layers, sizes.trained_k, MAX_ROWS, EXPERTS, sizes.parts,
        sizes.epsilon, **options(pdl, WARPS),
    )  # fmt: skip


def reference(sizes: Sizes, layer: LayerWeights, index: int, work: Work) -> None:
    """As `run`, by the rule that the rest of the program uses."""
    work.scale.copy_((work.squares.sum(-1) / sizes.hidden + sizes.epsilon).rsqrt())
    logits = work.scaled.float() @ layer.router.float().t() * work.scale.unsqueeze(1)
    work.record[:, 0, index] = logits
    work.record[:, 1, index] = -1
    for row in range(work.rows):
        k = int(work.ks[index, row])
        if k == 0:
            continue
        weighting = WEIGHTINGS[int(work.weighting[row])]
        policy = RoutingPolicy(k, weighting, float(work.threshold[row]))
        plan = plan_layer([policy], [k], sizes.trained_k, logits.device)
        ids, weights, used = weigh(
            GateRule(), plan, choose(GateRule(), plan, logits[row : row + 1])
        )
        if used is not None:
            ids, weights = ids[used.view_as(ids)], weights[used.view_as(ids)]
        work.record[row, 1, index, ids.flatten()] = weights.flatten()
    _list_reference(work, work.record[:, 1, index])


def _list_reference(work: Work, weights: torch.Tensor) -> None:
    used = (weights >= 0).any(0).nonzero().flatten()
    work.used[: len(used)] = used.int()
    work.used_count[0] = len(used)
    work.users.copy_((weights >= 0).sum(0))
    for expert in used.tolist():
        rows = (weights[:, expert] >= 0).nonzero().flatten()
        work.row_ids[expert, : len(rows)] = rows.int()
        work.row_weights[expert, : len(rows)] = weights[rows, expert]
