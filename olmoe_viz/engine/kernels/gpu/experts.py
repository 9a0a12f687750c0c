"""The experts that a batch uses, each weight read once: SwiGLU, then down and into the stream.

A program owns some columns and goes through the used experts one after another; the weights of the
next expert are on their way while it works on one. One row alone has kernels of its own, which need
no loop over the rows of an expert and give the same numbers to the bit.
"""

import triton
import triton.language as tl

from olmoe_viz.engine.kernels.gpu.launch import options, wait
from olmoe_viz.engine.kernels.gpu.linear import FEW, settle
from olmoe_viz.engine.kernels.gpu.work import COLUMNS, MAX_ROWS, LayerWeights, Sizes, Work

INNER_COLUMNS, WARPS, DOWN_WARPS = 1, 2, 1


@triton.jit(do_not_specialize=["rows"])
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
            vector = tl.load(scaled + row * H + k)[None, :]
            scale = tl.load(scales + row)
            here = inner + (expert * rows + user) * INNER + out
            tl.store(here, _swiglu(gate, up, vector, scale, weight))
        gate, up, expert = next_gate, next_up, following


@triton.jit(do_not_specialize=["rows"])
def _down(
    inner, matrix, middle, hidden, scaled, squares, norm, used, used_count, users, row_ids, rows,
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
    second = tl.load(used + tl.minimum(1, count - 1))
    n = tl.load(users + expert)
    tile = tl.load(at + expert * H * INNER, eviction_policy="evict_first")
    next_tile = tl.load(
        at + second * H * INNER, mask=count > 1, other=0.0, eviction_policy="evict_first"
    )
    wait(PDL)
    vector = tl.load(inner + expert * rows * INNER + k)
    added = tl.zeros((BATCH, BN), tl.float32)
    for place in range(count):
        third = tl.load(used + tl.minimum(place + 2, count - 1))
        ahead = at + third * H * INNER
        third_tile = tl.load(
            ahead, mask=place + 2 < count, other=0.0, eviction_policy="evict_first"
        )
        next_n = tl.load(users + second)
        first_vector = tl.load(inner + second * rows * INNER + k)
        for user in range(n):
            next_vector = tl.load(inner + (expert * rows + tl.minimum(user + 1, n - 1)) * INNER + k)
            row = tl.load(row_ids + expert * ROWS + user)
            y = tl.sum(tile.to(tl.float32) * vector.to(tl.float32)[None, :], 1)
            added += tl.where(batch[:, None] == row, y[None, :], 0.0)
            vector = next_vector
        tile, expert, n, vector = next_tile, second, next_n, first_vector
        next_tile, second = third_tile, third
    there = (batch < rows)[:, None]
    here = batch[:, None] * H + out[None, :]
    new = tl.load(middle + here, mask=there, other=0.0) + added
    tl.store(hidden + here, new, mask=there)
    tl.store(scaled + here, (new * factor[None, :]).to(tl.bfloat16), mask=there)
    tl.store(squares + batch * PARTS + part, tl.sum(new * new, 1), mask=batch < rows)


@triton.jit
def _gate_up_of_one(
    scaled, scales, matrix, inner, used, used_count, row_weights,
    H: tl.constexpr, INNER: tl.constexpr, ROWS: tl.constexpr, BN: tl.constexpr, PDL: tl.constexpr,
):  # fmt: skip
    wait(PDL)
    out, k = tl.program_id(0) * BN + tl.arange(0, BN), tl.arange(0, H)
    at = matrix + out[:, None] * H + k[None, :]
    expert = tl.load(used)
    count = tl.load(used_count)
    gate = tl.load(at + expert * 2 * INNER * H, eviction_policy="evict_first")
    up = tl.load(at + expert * 2 * INNER * H + INNER * H, eviction_policy="evict_first")
    vector, scale = tl.load(scaled + k)[None, :], tl.load(scales)
    for place in range(count):
        following = tl.load(used + tl.minimum(place + 1, count - 1))
        weight = tl.load(row_weights + expert * ROWS)
        more = place + 1 < count
        ahead = at + following * 2 * INNER * H
        next_gate = tl.load(ahead, mask=more, eviction_policy="evict_first")
        next_up = tl.load(ahead + INNER * H, mask=more, eviction_policy="evict_first")
        tl.store(inner + expert * INNER + out, _swiglu(gate, up, vector, scale, weight))
        gate, up, expert = next_gate, next_up, following


@triton.jit
def _swiglu(gate, up, vector, scale, weight):
    """Return weight * silu(gate @ x) * (up @ x) of some columns, where x is the scaled vector."""
    g = tl.sum(gate.to(tl.float32) * vector.to(tl.float32), 1) * scale
    u = tl.sum(up.to(tl.float32) * vector.to(tl.float32), 1) * scale
    return (g / (1.0 + tl.exp(-g)) * u * weight).to(tl.bfloat16)


@triton.jit
def _down_of_one(
    inner, matrix, middle, hidden, scaled, squares, norm, used, used_count,
    INNER: tl.constexpr, BN: tl.constexpr, PARTS: tl.constexpr, PDL: tl.constexpr,
):  # fmt: skip
    part = tl.program_id(0)
    H: tl.constexpr = PARTS * BN
    out, k = part * BN + tl.arange(0, BN), tl.arange(0, INNER)
    at = matrix + out[:, None] * INNER + k[None, :]
    factor = tl.load(norm + out).to(tl.float32)
    # The router was done before gate and up began, so what it listed may be read before the wait.
    count = tl.load(used_count)
    expert = tl.load(used)
    following = tl.load(used + tl.minimum(1, count - 1))
    tile = tl.load(at + expert * H * INNER, eviction_policy="evict_first")
    wait(PDL)
    before = tl.load(middle + out)
    vector = tl.load(inner + expert * INNER + k)
    added = tl.zeros((BN,), tl.float32)
    for place in range(count):
        next_vector = tl.load(inner + following * INNER + k)
        ahead = at + following * H * INNER
        next_tile = tl.load(ahead, mask=place + 1 < count, other=0.0, eviction_policy="evict_first")
        following = tl.load(used + tl.minimum(place + 2, count - 1))
        added += tl.sum(tile.to(tl.float32) * vector.to(tl.float32)[None, :], 1)
        tile, vector = next_tile, next_vector
    new = before + added
    tl.store(hidden + out, new)
    tl.store(scaled + out, (new * factor).to(tl.bfloat16))
    tl.store(squares + part, tl.sum(new * new))


def run(sizes: Sizes, layer: LayerWeights, work: Work, *, pdl: bool) -> None:
    """Add the weighted sum of every row's experts to the residual stream."""
    gate_up(sizes, layer, work, pdl=pdl)
    down(sizes, layer, work, pdl=pdl)


def gate_up(sizes: Sizes, layer: LayerWeights, work: Work, *, pdl: bool) -> None:
    """Fill `work.inner`: silu(gate) * up of each row and expert, times its weight."""
    grid = (sizes.inner // INNER_COLUMNS,)
    if work.rows == 1:
        _gate_up_of_one[grid](
            work.scaled, work.scale, layer.gate_up, work.inner, work.used, work.used_count,
            work.row_weights, sizes.hidden, sizes.inner, MAX_ROWS, INNER_COLUMNS,
            **options(pdl, WARPS),
        )  # fmt: skip
        return
    _gate_up[grid](
        work.scaled, work.scale, layer.gate_up, work.inner, work.used, work.used_count,
        work.users, work.row_ids, work.row_weights, work.rows,
        sizes.hidden, sizes.inner, MAX_ROWS, INNER_COLUMNS, **options(pdl, WARPS),
    )  # fmt: skip


def down(sizes: Sizes, layer: LayerWeights, work: Work, *, pdl: bool) -> None:
    """Add `work.inner`, taken down, to the residual stream."""
    if work.rows == 1:
        _down_of_one[(sizes.parts,)](
            work.inner, layer.down, work.middle, work.hidden, work.scaled, work.squares,
            layer.next_norm, work.used, work.used_count,
            sizes.inner, COLUMNS, sizes.parts, **options(pdl, DOWN_WARPS),
        )  # fmt: skip
        return
    # Up to eight rows share one program, compiled once; more take more registers.
    batch = FEW if work.rows <= FEW else MAX_ROWS
    _down[(sizes.parts,)](
        work.inner, layer.down, work.middle, work.hidden, work.scaled, work.squares,
        layer.next_norm, work.used, work.used_count, work.users, work.row_ids, work.rows,
        sizes.inner, MAX_ROWS, batch, COLUMNS, sizes.parts, **options(pdl, DOWN_WARPS),
    )  # fmt: skip


def reference(sizes: Sizes, layer: LayerWeights, work: Work) -> None:
    """As `run`, one expert and one row after another."""
    work.hidden.copy_(work.middle)
    for expert in work.used[: int(work.used_count)].tolist():
        for user in range(int(work.users[expert])):
            row, weight = int(work.row_ids[expert, user]), work.row_weights[expert, user]
            x = work.scaled[row].float() * work.scale[row]
            gate, up = (layer.gate_up[expert].float() @ x).chunk(2)
            inner = (gate * gate.sigmoid() * up * weight).bfloat16()
            work.inner[expert * work.rows + user] = inner
            work.hidden[row] += layer.down[expert].float() @ inner.float()
    settle(sizes, work.hidden, layer.next_norm, work)
