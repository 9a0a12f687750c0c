"""After the last layer: logits of the vocabulary, the next token, and its embedding.

Greedy choice is the largest logit, of equal ones the lower id. Where tokens are drawn, `token` is
chosen by `engine.sampling` in between, and the kernels give its log-probability.
"""

import triton
import triton.language as tl
from torch import Tensor

from olmoe_viz.engine.kernels.gpu import linear
from olmoe_viz.engine.kernels.gpu.launch import options, rms_scale, wait
from olmoe_viz.engine.kernels.gpu.work import COLUMNS, Sizes, Weights, Work

SHARES, WARPS = 64, 4


@triton.jit(do_not_specialize=["rows"])
def _best(
    logits, squares, best, rows,
    V: tl.constexpr, H: tl.constexpr, SHARE: tl.constexpr, BLOCK: tl.constexpr,
    PARTS: tl.constexpr, EPSILON: tl.constexpr, PDL: tl.constexpr,
):  # fmt: skip
    """Scale one share of a row's logits; keep their maximum, where it is, and the sum of exps."""
    wait(PDL)
    share, row = tl.program_id(0), tl.program_id(1)
    token = share * SHARE + tl.arange(0, BLOCK)
    there = (token < V) & (token < (share + 1) * SHARE)
    scale = rms_scale(squares, row, PARTS, H, EPSILON)
    x = tl.load(logits + row * V + token, mask=there, other=-1e30) * scale
    tl.store(logits + row * V + token, x, mask=there)
    top = tl.max(x, 0)
    at = best + row * 64 + share
    tl.store(at, top)
    tl.store(at + rows * 64, tl.min(tl.where(x == top, token, V), 0).to(tl.float32))
    tl.store(at + 2 * rows * 64, tl.sum(tl.exp(x - top), 0))


@triton.jit(do_not_specialize=["rows"])
def _advance(
    best, logits, token, chosen, embed, norm, hidden, scaled, squares, positions, ks, rows,
    V: tl.constexpr, H: tl.constexpr, BN: tl.constexpr, PARTS: tl.constexpr, DRAWN: tl.constexpr,
    PDL: tl.constexpr,
):  # fmt: skip
    wait(PDL)
    row, i, k = tl.program_id(0), tl.arange(0, 64), tl.arange(0, H)
    tops = tl.load(best + row * 64 + i)
    top = tl.max(tops, 0)
    sums = tl.load(best + (2 * rows + row) * 64 + i)
    log_sum = top + tl.log(tl.sum(sums * tl.exp(tops - top), 0))
    if DRAWN:
        following = tl.load(token + row)
        logit = tl.load(logits + row * V + following)
    else:
        ids = tl.load(best + (rows + row) * 64 + i)
        following = tl.min(tl.where(tops == top, ids, V * 1.0), 0).to(tl.int32)
        # Nothing is equal to a NaN; what follows is not looked at, but must be in the table.
        following = tl.minimum(following, V - 1)
        logit = top
        tl.store(token + row, following)
    tl.store(chosen + row * 2, following.to(tl.float32))
    tl.store(chosen + row * 2 + 1, logit - log_sum)
    x = tl.load(embed + following * H + k).to(tl.float32)
    tl.store(hidden + row * H + k, x)
    tl.store(scaled + row * H + k, (x * tl.load(norm + k).to(tl.float32)).to(tl.bfloat16))
    parts = tl.sum(tl.reshape(x * x, (PARTS, BN)), 1)
    tl.store(squares + row * PARTS + tl.arange(0, PARTS), parts)
    if tl.load(ks + row) > 0:
        tl.store(positions + row, tl.load(positions + row) + 1)


def score(sizes: Sizes, weights: Weights, work: Work, *, pdl: bool) -> None:
    """Fill `work.logits` from the residual stream, and `work.best` for the choice."""
    linear.run(work.scaled, weights.head, work.logits, pdl=pdl)
    share = triton.cdiv(sizes.vocab, SHARES)
    _best[(SHARES, work.rows)](
        work.logits, work.squares, work.best, work.rows, sizes.vocab, sizes.hidden, share,
        triton.next_power_of_2(share), sizes.parts, sizes.epsilon, **options(pdl, WARPS),
    )  # fmt: skip


def advance(sizes: Sizes, weights: Weights, work: Work, *, drawn: bool, pdl: bool) -> None:
    """Choose the next token unless it was `drawn`, report it in `work.chosen`, and embed it."""
    _advance[(work.rows,)](
        work.best, work.logits, work.token, work.chosen, weights.embed, weights.first_norm,
        work.hidden, work.scaled, work.squares, work.position, work.ks, work.rows, sizes.vocab,
        sizes.hidden, COLUMNS, sizes.parts, drawn, **options(pdl, WARPS),
    )  # fmt: skip


def score_reference(sizes: Sizes, weights: Weights, work: Work) -> None:
    """As `score`, but for `work.best`."""
    scale = (work.squares.sum(-1, keepdim=True) / sizes.hidden + sizes.epsilon).rsqrt()
    linear.reference(work.scaled, weights.head, work.logits)
    work.logits.mul_(scale)


def advance_reference(sizes: Sizes, weights: Weights, work: Work, *, drawn: bool) -> None:
    """As `advance`."""
    if not drawn:
        work.token.copy_(work.logits.argmax(-1))
    ids: Tensor = work.token.long().unsqueeze(1)
    work.chosen[:, 0] = work.token.float()
    work.chosen[:, 1] = work.logits.log_softmax(-1).gather(1, ids).squeeze(1)
    work.hidden.copy_(weights.embed[ids.squeeze(1)])
    linear.settle(sizes, work.hidden, weights.first_norm, work)
    work.position += (work.ks[0, : work.rows] > 0).int()
