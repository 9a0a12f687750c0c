"""Products of a few rows with a large matrix, each weight read once.

A program keeps whole rows of the matrix in registers while it goes through the batch; the next
row's input is on its way while it works on one.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from olmoe_viz.engine.kernels.gpu.launch import options, wait
from olmoe_viz.engine.kernels.gpu.work import COLUMNS, LayerWeights, Sizes, Work

ROWS_OF_MATRIX, WARPS, PROJECT_WARPS = 2, 2, 2
FEW = 8  # rows; for more, the library's product on tensor cores is faster


@triton.jit
def _product(tile, vector):
    return tl.sum(tile.to(tl.float32) * vector.to(tl.float32)[None, :], 1)


@triton.jit
def _linear(x, w, y, rows, N: tl.constexpr, K: tl.constexpr, BN: tl.constexpr, PDL: tl.constexpr):
    out = tl.program_id(0) * BN + tl.arange(0, BN)
    k = tl.arange(0, K)
    tile = tl.load(w + out[:, None] * K + k[None, :], eviction_policy="evict_first")
    wait(PDL)
    vector = tl.load(x + k)
    for row in range(rows):
        following = tl.load(x + tl.minimum(row + 1, rows - 1) * K + k)
        tl.store(y + row * N + out, _product(tile, vector))
        vector = following


def run(x: Tensor, matrix: Tensor, y: Tensor, *, pdl: bool) -> None:
    """Fill y, float32 [rows, out], with x @ matrix.T for x, bfloat16 [rows, in]."""
    if len(x) > FEW:
        torch.mm(x, matrix.t(), out_dtype=torch.float32, out=y)
        return
    outs, ins = matrix.shape
    grid = (outs // ROWS_OF_MATRIX,)
    _linear[grid](x, matrix, y, len(x), outs, ins, ROWS_OF_MATRIX, **options(pdl, WARPS))


def reference(x: Tensor, matrix: Tensor, y: Tensor) -> None:
    """As `run`."""
    y.copy_(x.float() @ matrix.float().t())


@triton.jit
def _project(
    x, w, hidden, middle, scaled, squares, norm, of_hidden, of_attended, raw, rows,
    K: tl.constexpr, E: tl.constexpr, BN: tl.constexpr, PARTS: tl.constexpr, PDL: tl.constexpr,
):  # fmt: skip
    """Give router logits that lack their norm, in `E` programs; add to the stream in the rest."""
    expert, k = tl.program_id(0), tl.arange(0, K)
    if expert < E:
        first = tl.load(of_hidden + expert * K + k)
        second = tl.load(of_attended + expert * K + k)
        wait(PDL)
        for row in range(rows):
            stream = tl.load(hidden + row * K + k)
            vector = tl.load(x + row * K + k).to(tl.float32)
            tl.store(raw + row * E + expert, tl.sum(first * stream + second * vector, 0))
    else:
        part = expert - E
        out = part * BN + tl.arange(0, BN)
        tile = tl.load(w + out[:, None] * K + k[None, :], eviction_policy="evict_first")
        factor = tl.load(norm + out).to(tl.float32)
        wait(PDL)
        vector = tl.load(x + k)
        for row in range(rows):
            following = tl.load(x + tl.minimum(row + 1, rows - 1) * K + k)
            at = row * PARTS * BN + out
            new = tl.load(hidden + at) + _product(tile, vector)
            tl.store(middle + at, new)
            tl.store(scaled + at, (new * factor).to(tl.bfloat16))
            tl.store(squares + row * PARTS + part, tl.sum(new * new))
            vector = following


@triton.jit
def _add(
    added, hidden, middle, scaled, squares, norm,
    K: tl.constexpr, BN: tl.constexpr, PARTS: tl.constexpr, PDL: tl.constexpr,
):  # fmt: skip
    row, k = tl.program_id(0), tl.arange(0, K)
    factor = tl.load(norm + k).to(tl.float32)
    wait(PDL)
    new = tl.load(hidden + row * K + k) + tl.load(added + row * K + k)
    tl.store(middle + row * K + k, new)
    tl.store(scaled + row * K + k, (new * factor).to(tl.bfloat16))
    parts = tl.sum(tl.reshape(new * new, (PARTS, BN)), 1)
    tl.store(squares + row * PARTS + tl.arange(0, PARTS), parts)


def project(sizes: Sizes, layer: LayerWeights, work: Work, *, pdl: bool) -> None:
    """Fill `work.middle`: the residual stream with attention's output, ready for the next norm.

    And `work.raw`: what the router says to it but for that norm's scale. That is a sum of what it
    says to the stream and to what is added, so it need not wait for the projection.
    """
    if work.rows > FEW:
        torch.mm(work.attended, layer.output.t(), out_dtype=torch.float32, out=work.projected)
        _add[(work.rows,)](
            work.projected, work.hidden, work.middle, work.scaled, work.squares, layer.norm_mid,
            sizes.hidden, COLUMNS, sizes.parts, **options(pdl, PROJECT_WARPS),
        )  # fmt: skip
        torch.mm(work.scaled, layer.router.t(), out_dtype=torch.float32, out=work.raw)
        return
    _project[(sizes.parts + sizes.experts,)](
        work.attended, layer.output, work.hidden, work.middle, work.scaled, work.squares,
        layer.norm_mid, layer.router_of_hidden, layer.router_of_attended, work.raw, work.rows,
        sizes.hidden, sizes.experts, COLUMNS, sizes.parts, **options(pdl, PROJECT_WARPS),
    )  # fmt: skip


def project_reference(sizes: Sizes, layer: LayerWeights, work: Work) -> None:
    """As `project`."""
    work.middle.copy_(work.hidden + work.attended.float() @ layer.output.float().t())
    settle(sizes, work.middle, layer.norm_mid, work)
    normed = work.middle * layer.norm_mid.float()
    work.raw.copy_(normed @ layer.router.float().t())


def settle(sizes: Sizes, stream: Tensor, norm: Tensor, work: Work) -> None:
    """Make the residual stream ready for the norm `norm`, as every kernel that adds to it does."""
    work.scaled.copy_(stream * norm.float())
    work.squares.copy_(stream.square().view(work.rows, sizes.parts, COLUMNS).sum(-1))
