"""Products of a few rows with a large matrix, each weight read once.

A program keeps whole rows of the matrix in registers while it goes through the batch.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from olmoe_viz.engine.kernels.gpu.launch import options, wait
from olmoe_viz.engine.kernels.gpu.work import COLUMNS, Sizes, Work

ROWS_OF_MATRIX, WARPS, PROJECT_WARPS = 2, 2, 2
FEW = 8  # rows; for more, the library's product on tensor cores is faster


@triton.jit
def _linear(x, w, y, rows, N: tl.constexpr, K: tl.constexpr, BN: tl.constexpr, PDL: tl.constexpr):
    out = tl.program_id(0) * BN + tl.arange(0, BN)
    k = tl.arange(0, K)
    tile = tl.load(w + out[:, None] * K + k[None, :], eviction_policy="evict_first")
    wait(PDL)
    for row in range(rows):
        vector = tl.load(x + row * K + k).to(tl.float32)
        tl.store(y + row * N + out, tl.sum(tile.to(tl.float32) * vector[None, :], 1))


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
    x, w, hidden, scaled, squares, norm, rows,
    K: tl.constexpr, BN: tl.constexpr, PARTS: tl.constexpr, PDL: tl.constexpr,
):  # fmt: skip
    part = tl.program_id(0)
    out = part * BN + tl.arange(0, BN)
    k = tl.arange(0, K)
    tile = tl.load(w + out[:, None] * K + k[None, :], eviction_policy="evict_first")
    factor = tl.load(norm + out).to(tl.float32)
    wait(PDL)
    for row in range(rows):
        vector = tl.load(x + row * K + k).to(tl.float32)
        at = row * PARTS * BN + out
        new = tl.load(hidden + at) + tl.sum(tile.to(tl.float32) * vector[None, :], 1)
        tl.store(hidden + at, new)
        tl.store(scaled + at, (new * factor).to(tl.bfloat16))
        tl.store(squares + row * PARTS + part, tl.sum(new * new))


@triton.jit
def _add(
    added, hidden, scaled, squares, norm,
    K: tl.constexpr, BN: tl.constexpr, PARTS: tl.constexpr, PDL: tl.constexpr,
):  # fmt: skip
    row, k = tl.program_id(0), tl.arange(0, K)
    factor = tl.load(norm + k).to(tl.float32)
    wait(PDL)
    new = tl.load(hidden + row * K + k) + tl.load(added + row * K + k)
    tl.store(hidden + row * K + k, new)
    tl.store(scaled + row * K + k, (new * factor).to(tl.bfloat16))
    parts = tl.sum(tl.reshape(new * new, (PARTS, BN)), 1)
    tl.store(squares + row * PARTS + tl.arange(0, PARTS), parts)


def project(sizes: Sizes, matrix: Tensor, norm: Tensor, work: Work, *, pdl: bool) -> None:
    """Add attention's output projection to the residual stream, ready for the norm `norm`."""
    if work.rows > FEW:
        torch.mm(work.attended, matrix.t(), out_dtype=torch.float32, out=work.projected)
        _add[(work.rows,)](
            work.projected, work.hidden, work.scaled, work.squares, norm,
            sizes.hidden, COLUMNS, sizes.parts, **options(pdl, PROJECT_WARPS),
        )  # fmt: skip
        return
    _project[(sizes.parts,)](
        work.attended, matrix, work.hidden, work.scaled, work.squares, norm, work.rows,
        sizes.hidden, COLUMNS, sizes.parts, **options(pdl, PROJECT_WARPS),
    )  # fmt: skip


def project_reference(sizes: Sizes, matrix: Tensor, norm: Tensor, work: Work) -> None:
    """As `project`."""
    work.hidden += work.attended.float() @ matrix.float().t()
    settle(sizes, norm, work)


def settle(sizes: Sizes, norm: Tensor, work: Work) -> None:
    """Make the residual stream ready for the norm `norm`, as every kernel that adds to it does."""
    work.scaled.copy_(work.hidden * norm.float())
    work.squares.copy_(work.hidden.square().view(work.rows, sizes.parts, COLUMNS).sum(-1))
