"""The experts that a batch uses, each weight read once: SwiGLU, then down and into the stream.

A program owns some columns and goes through the used experts one after another; the weights of the
next expert are on their way while it works on one.
"""

import triton
import triton.language as tl

from olmoe_viz.engine.kernels.gpu.launch import options, wait
from olmoe_viz.engine.kernels.gpu.linear import FEW, settle
from olmoe_viz.engine.kernels.gpu.work import COLUMNS, MAX_ROWS, LayerWeights, Sizes, Work

INNER_COLUMNS, WARPS, DOWN_WARPS = 1, 2, 1


@triton.jit
def _gate_up(
    scaled, scales, matrix, inner, used, used_count, users, row_ids, row_weights, rows,
    H: tl.constexpr, INNER: tl.constexpr, ROWS: tl.constexpr, BN: tl.constexpr, PDL: tl.constexpr,
):  # fmt: skip
    wait(PDL)
    out, k = tl.program_id(0) * BN + tl.arange(0, BN), tl.arange(0, H)
    at = matrix + out[:, None] * H + k[None, :]
    count = tl.load(used_count)
    expert = tl.load(used)
    gate = tl.load(at + expert * 2 * INNER * H, eviction_policy="evict_first")
    up = tl.load(at + expert * 2 * INNER * H + INNER * H, eviction_policy="evict_first")
    for place in range(count):
        following = tl.load(used + tl.minimum(place + 1, count - 1))
        more = place + 1 < count
        ahead = at + following * 2 * INNER * H
        next_gate = tl.load(ahead, mask=more, eviction_policy="evict_first")
        next_up = tl.load(ahead + INNER * H, mask=more, eviction_policy="evict_first")
        for user in range(tl.load(users + expert)):
            row = tl.load(row_ids + expert * ROWS + user)
            weight = tl.load(row_weights + expert * ROWS + user)
            vector = tl.load(scaled + row * H + k).to(tl.float32)[None, :]
            scale = tl.load(scales + row)
            g = tl.sum(gate.to(tl.float32) * vector, 1) * scale
            u = tl.sum(up.to(tl.float32) * vector, 1) * scale
            silu = g / (1.0 + tl.exp(-g))
            tl.store(
                inner + (expert * rows + user) * INNER + out, (silu * u * weight).to(tl.bfloat16)
            )
        gate, up, expert = next_gate, next_up, following


@triton.jit
def _down(
    inner, matrix, hidden, scaled, squares, norm, used, used_count, users, row_ids, rows,
    INNER: tl.constexpr, ROWS: tl.constexpr, BATCH: tl.constexpr, BN: tl.constexpr,
    PARTS: tl.constexpr, PDL: tl.constexpr,
):  # fmt: skip
    part = tl.program_id(0)
    H: tl.constexpr = PARTS * BN
    out, k, batch = part * BN + tl.arange(0, BN), tl.arange(0, INNER), tl.arange(0, BATCH)
    at = matrix + out[:, None] * INNER + k[None, :]
    factor = tl.load(norm + out).to(tl.float32)
    # The router was done before gate and up began, so what it listed may be read before the wait.
    count = tl.load(used_count)
    expert = tl.load(used)
    n = tl.load(users + expert)
    tile = tl.load(at + expert * H * INNER, eviction_policy="evict_first")
    wait(PDL)
    vector = tl.load(inner + expert * rows * INNER + k)
    added = tl.zeros((BATCH, BN), tl.float32)
    for place in range(count):
        following = tl.load(used + tl.minimum(place + 1, count - 1))
        ahead = at + following * H * INNER
        next_tile = tl.load(ahead, mask=place + 1 < count, eviction_policy="evict_first")
        next_n = tl.load(users + following)
        first_vector = tl.load(inner + following * rows * INNER + k)
        for user in range(n):
            next_vector = tl.load(inner + (expert * rows + tl.minimum(user + 1, n - 1)) * INNER + k)
            row = tl.load(row_ids + expert * ROWS + user)
            y = tl.sum(tile.to(tl.float32) * vector.to(tl.float32)[None, :], 1)
            added += tl.where(batch[:, None] == row, y[None, :], 0.0)
            vector = next_vector
        tile, expert, n, vector = next_tile, following, next_n, first_vector
    there = (batch < rows)[:, None]
    here = batch[:, None] * H + out[None, :]
    new = tl.load(hidden + here, mask=there, other=0.0) + added
    tl.store(hidden + here, new, mask=there)
    tl.store(scaled + here, (new * factor[None, :]).to(tl.bfloat16), mask=there)
    tl.store(squares + batch * PARTS + part, tl.sum(new * new, 1), mask=batch < rows)


def run(sizes: Sizes, layer: LayerWeights, work: Work, *, pdl: bool) -> None:
    """Add the weighted sum of every row's experts to the residual stream."""
    gate_up(sizes, layer, work, pdl=pdl)
    down(sizes, layer, work, pdl=pdl)


def gate_up(sizes: Sizes, layer: LayerWeights, work: Work, *, pdl: bool) -> None:
    """Fill `work.inner`: silu(gate) * up of each row and expert, times its weight."""
    _gate_up[(sizes.inner // INNER_COLUMNS,)](
        work.scaled, work.scale, layer.gate_up, work.inner, work.used, work.used_count,
        work.users, work.row_ids, work.row_weights, work.rows,
        sizes.hidden, sizes.inner, MAX_ROWS, INNER_COLUMNS, **options(pdl, WARPS),
    )  # fmt: skip


def down(sizes: Sizes, layer: LayerWeights, work: Work, *, pdl: bool) -> None:
    """Add `work.inner`, taken down, to the residual stream."""
    # Up to eight rows share one program, compiled once; more take more registers.
    batch = FEW if work.rows <= FEW else MAX_ROWS
    _down[(sizes.parts,)](
        work.inner, layer.down, work.hidden, work.scaled, work.squares, layer.next_norm, work.used,
        work.used_count, work.users, work.row_ids, work.rows,
        sizes.inner, MAX_ROWS, batch, COLUMNS, sizes.parts, **options(pdl, DOWN_WARPS),
    )  # fmt: skip


def reference(sizes: Sizes, layer: LayerWeights, work: Work) -> None:
    """As `run`, one expert and one row after another."""
    for expert in work.used[: int(work.used_count)].tolist():
        for user in range(int(work.users[expert])):
            row, weight = int(work.row_ids[expert, user]), work.row_weights[expert, user]
            x = work.scaled[row].float() * work.scale[row]
            gate, up = (layer.gate_up[expert].float() @ x).chunk(2)
            inner = (gate * gate.sigmoid() * up * weight).bfloat16()
            work.inner[expert * work.rows + user] = inner
            work.hidden[row] += layer.down[expert].float() @ inner.float()
    settle(sizes, layer.next_norm, work)
