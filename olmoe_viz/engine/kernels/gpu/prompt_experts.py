"""Between the grouped products of a prompt's experts: two kernels in place of eleven operations.

A prompt of some thousand tokens is held up by the host, which has to start every operation. The
pairs of a token and an expert are sorted by expert; see `engine/experts.py: grouped_on_gpu`, whose
`gated` and `summed` are the references of these.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

WARPS = 4


@triton.jit
def _gated(inner, order, weights, out, places, N: tl.constexpr, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    pair = tl.load(order + row)
    tl.store(places + pair, row)
    at = tl.arange(0, BLOCK)
    gate = tl.load(inner + row * 2 * N + at, at < N, 0).to(tl.float32)
    up = tl.load(inner + row * 2 * N + N + at, at < N, 0).to(tl.float32)
    weight = tl.load(weights + pair).to(tl.float32)
    tl.store(out + row * N + at, gate * tl.sigmoid(gate) * up * weight, at < N)


def gated(inner: Tensor, order: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Return weight * silu(gate) * up of each pair, and where each pair stands.

    `inner` is bfloat16 [pairs, 2 * intermediate], gate first, in sorted order; `order` int64
    [pairs] has the sorted pairs, `weights` [pairs] is in the order of tokens. The second tensor is
    int32 [pairs]: the row of a token's pair.
    """
    pairs, width = inner.shape
    out = inner.new_empty(pairs, width // 2)
    places = torch.empty(pairs, dtype=torch.int32, device=inner.device)
    block = triton.next_power_of_2(width // 2)
    _gated[pairs,](inner, order, weights, out, places, width // 2, block, num_warps=WARPS)
    return out, places


@triton.jit
def _summed(outputs, places, out, k, H: tl.constexpr, BLOCK: tl.constexpr):
    token = tl.program_id(0).to(tl.int64)
    at = tl.arange(0, BLOCK)
    total = tl.zeros((BLOCK,), tl.float32)
    for pair in range(k):
        row = tl.load(places + token * k + pair).to(tl.int64)
        total += tl.load(outputs + row * H + at, at < H, 0).to(tl.float32)
    tl.store(out + token * H + at, total, at < H)


def summed(outputs: Tensor, places: Tensor, k: int) -> Tensor:
    """Return the sum of each token's k rows of `outputs`, bfloat16 [pairs, hidden]."""
    pairs, width = outputs.shape
    out = outputs.new_empty(pairs // k, width)
    block = triton.next_power_of_2(width)
    _summed[pairs // k,](outputs, places, out, k, width, block, num_warps=WARPS)
    return out
