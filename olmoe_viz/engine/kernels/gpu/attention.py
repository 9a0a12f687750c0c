"""Attention of one new token a row: norms and rotates, writes the cache, and looks at it.

The context of a head is split over up to `SPLITS` programs (flash decoding, arXiv 2311.01282), by
its length alone; the last of them to arrive puts the parts together in a fixed order.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from olmoe_viz.engine.kernels.gpu.launch import arrives_last, options, rms_scale, wait
from olmoe_viz.engine.kernels.gpu.work import SPLITS, LayerWeights, Sizes, Weights, Work

CHUNK, WARPS = 32, 2
SHARE = 32  # tokens that a program looks at, at least


@triton.jit
def _norm_scale(whole, scale, H: tl.constexpr, EPSILON: tl.constexpr):
    """Return the factor of the norm over the full width, of a vector that is still to be scaled."""
    return scale * tl.rsqrt(tl.sum(whole * whole) * scale * scale / H + EPSILON)


@triton.jit
def _rotated(first, second, cosine, sine):
    turned_first = (first * cosine - second * sine).to(tl.bfloat16)
    return turned_first, (second * cosine + first * sine).to(tl.bfloat16)


@triton.jit
def _chunk(keys, values, start, high, H: tl.constexpr, HALF: tl.constexpr, CHUNK: tl.constexpr):
    """Return the two halves of the keys, and the values, of tokens from `start` to below `high`."""
    at, half, d = start + tl.arange(0, CHUNK), tl.arange(0, HALF), tl.arange(0, 2 * HALF)
    there = (at < high)[:, None]
    k1 = tl.load(keys + at[:, None] * H + half[None, :], mask=there, other=0.0)
    k2 = tl.load(keys + at[:, None] * H + HALF + half[None, :], mask=there, other=0.0)
    return k1, k2, tl.load(values + at[:, None] * H + d[None, :], mask=there, other=0.0)


@triton.jit
def _attend(  # noqa: PLR0915 - one kernel is one launch; nothing in it stands twice
    qkv, squares, norm_q, norm_k, cosines, sines, keys, values, positions, bases,
    split, split_top, split_sum, attended, arrived,
    H: tl.constexpr, HEADS: tl.constexpr, HALF: tl.constexpr, SPLITS: tl.constexpr,
    CHUNK: tl.constexpr, SHARE: tl.constexpr, PARTS: tl.constexpr, SCALING: tl.constexpr,
    EPSILON: tl.constexpr, PDL: tl.constexpr,
):  # fmt: skip
    head, part, row = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    half, d, t = tl.arange(0, HALF), tl.arange(0, 2 * HALF), tl.arange(0, CHUNK)
    position = tl.load(positions + row)
    # Of the tokens before the new one, this program has those from `low` to `high`.
    share = tl.maximum(tl.cdiv(tl.cdiv(position, SPLITS), CHUNK) * CHUNK, SHARE)
    parts = tl.maximum(tl.cdiv(position, share), 1)
    if part >= parts:
        return
    low = part * share
    high = tl.minimum(low + share, position)
    base = tl.load(bases + row) * H + head * 2 * HALF
    keys += base
    values += base
    cosine = tl.load(cosines + position * HALF + half)
    sine = tl.load(sines + position * HALF + half)
    k1, k2, v = _chunk(keys, values, low, high, H, HALF, CHUNK)
    low_at, high_at = head * 2 * HALF + half, head * 2 * HALF + HALF + half
    wq1, wq2 = tl.load(norm_q + low_at).to(tl.float32), tl.load(norm_q + high_at).to(tl.float32)
    wk1, wk2 = tl.load(norm_k + low_at).to(tl.float32), tl.load(norm_k + high_at).to(tl.float32)
    wait(PDL)
    # All loads go out before the first sum has to wait for one of them.
    new, every = qkv + row * 3 * H, tl.arange(0, H)
    whole_q, whole_k = tl.load(new + every), tl.load(new + H + every)
    q1, q2 = tl.load(new + low_at), tl.load(new + high_at)
    n1, n2 = tl.load(new + H + low_at), tl.load(new + H + high_at)
    nv = tl.load(new + 2 * H + head * 2 * HALF + d)
    scale = rms_scale(squares, row, PARTS, H, EPSILON)
    scale_q = _norm_scale(whole_q, scale, H, EPSILON)
    scale_k = _norm_scale(whole_k, scale, H, EPSILON)
    q1, q2 = q1 * scale_q * wq1, q2 * scale_q * wq2
    n1, n2 = n1 * scale_k * wk1, n2 * scale_k * wk2
    q1, q2 = _rotated(q1, q2, cosine, sine)
    n1, n2 = _rotated(n1, n2, cosine, sine)
    q1, q2 = q1.to(tl.float32) * SCALING, q2.to(tl.float32) * SCALING
    nv = (nv * scale).to(tl.bfloat16)
    first = part == 0
    if first:
        tl.store(keys + position * H + half, n1)
        tl.store(keys + position * H + HALF + half, n2)
        tl.store(values + position * H + d, nv)
    seen = tl.sum(q1 * n1.to(tl.float32)) + tl.sum(q2 * n2.to(tl.float32))
    top = tl.where(first, seen, -1e30)
    total = tl.where(first, 1.0, 0.0)
    mixed = tl.where(first, nv.to(tl.float32), 0.0)
    for start in range(low, high, CHUNK):
        scores = tl.sum(k1.to(tl.float32) * q1[None, :], 1)
        scores += tl.sum(k2.to(tl.float32) * q2[None, :], 1)
        scores = tl.where(start + t < high, scores, -1e30)
        higher = tl.maximum(top, tl.max(scores, 0))
        shrink = tl.exp(top - higher)
        share_of = tl.exp(scores - higher)
        total = total * shrink + tl.sum(share_of, 0)
        mixed = mixed * shrink + tl.sum(v.to(tl.float32) * share_of[:, None], 0)
        top = higher
        k1, k2, v = _chunk(keys, values, start + CHUNK, high, H, HALF, CHUNK)
    result = attended + row * H + head * 2 * HALF + d
    if parts == 1:
        tl.store(result, (mixed / total).to(tl.bfloat16))
    else:
        here = row * HEADS + head
        tl.store(split + (here * SPLITS + part) * 2 * HALF + d, mixed)
        tl.store(split_top + here * SPLITS + part, top)
        tl.store(split_sum + here * SPLITS + part, total)
        if arrives_last(arrived + here, parts):
            tl.store(result, _put_together(split, split_top, split_sum, here, parts, HALF, SPLITS))


@triton.jit
def _put_together(
    split, split_top, split_sum, here, parts, HALF: tl.constexpr, SPLITS: tl.constexpr
):
    """Return the attention of one head from its parts."""
    part, d = tl.arange(0, SPLITS), tl.arange(0, 2 * HALF)
    at, there = here * SPLITS + part, part < parts
    tops = tl.load(split_top + at, mask=there, other=-1e30, cache_modifier=".cg")
    sums = tl.load(split_sum + at, mask=there, other=0.0, cache_modifier=".cg")
    each = split + at[:, None] * 2 * HALF + d[None, :]
    mixed = tl.load(each, mask=there[:, None], other=0.0, cache_modifier=".cg")
    grown = tl.exp(tops - tl.max(tops, 0))
    whole = tl.sum(mixed * grown[:, None], 0) / tl.sum(grown * sums, 0)
    return whole.to(tl.bfloat16)


def run(
    sizes: Sizes, weights: Weights, layer: LayerWeights, cache: tuple[Tensor, Tensor],
    work: Work, *, pdl: bool,
) -> None:  # fmt: skip
    """Turn `work.qkv` into `work.attended`; the new keys and values go into the cache."""
    _attend[(sizes.heads, SPLITS, work.rows)](
        work.qkv, work.squares, layer.norm_q, layer.norm_k, weights.cosines, weights.sines, *cache,
        work.position, work.base, work.split, work.split_top, work.split_sum, work.attended,
        work.arrived, sizes.hidden, sizes.heads, sizes.head_dim // 2, SPLITS, CHUNK, SHARE,
        sizes.parts,
        sizes.scaling, sizes.epsilon, **options(pdl, WARPS),
    )  # fmt: skip


def reference(
    sizes: Sizes, weights: Weights, layer: LayerWeights, cache: tuple[Tensor, Tensor], work: Work
) -> None:
    """As `run`."""
    keys, values = cache
    scale = (work.squares.sum(-1, keepdim=True) / sizes.hidden + sizes.epsilon).rsqrt()
    for row in range(work.rows):
        at, base = int(work.position[row]), int(work.base[row])
        query, key, value = (work.qkv[row] * scale[row]).chunk(3)
        entries = slice(base, base + at + 1)
        keys[base + at] = _turned_reference(sizes, weights, layer.norm_k, key, at)
        values[base + at] = value
        query = _turned_reference(sizes, weights, layer.norm_q, query, at)
        split = (sizes.heads, sizes.head_dim)
        scores = torch.einsum(
            "hd,thd->ht", query.view(split).float(), keys[entries].view(-1, *split).float()
        )
        shares = (scores * sizes.scaling).softmax(-1)
        mixed = torch.einsum("ht,thd->hd", shares, values[entries].view(-1, *split).float())
        work.attended[row] = mixed.flatten()


def _turned_reference(
    sizes: Sizes, weights: Weights, norm: Tensor, vector: Tensor, position: int
) -> Tensor:
    scale = (vector.square().mean() + sizes.epsilon).rsqrt()
    first, second = (vector * scale * norm.float()).view(sizes.heads, 2, -1).unbind(1)
    cosine, sine = weights.cosines[position], weights.sines[position]
    turned = torch.stack([first * cosine - second * sine, second * cosine + first * sine], 1)
    return turned.flatten().to(torch.bfloat16)
