"""Which token comes next: greedily, or drawn from the top-p nucleus with a seed.

Knows nothing about models or text, and runs wherever the scores are. Each row draws one uniform
number per token and inverts its cumulative distribution; the number depends on the seed and the
position alone, so that a row's result depends neither on the rows beside it nor on the device, and
rows of equal seed and distribution pick the same token.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

_LIKELIEST = (64, 512)  # tokens that decide nearly always; finding more takes longer
# Relative errors of sums over these in float64, and over all tokens in float32: measured below
# 4e-7 for any temperature and spread.
_ROUNDING, _COARSE = 1e-12, 1e-5


@dataclass(frozen=True)
class Sampling:
    """How tokens are picked: greedily at temperature 0, else from the `top_p` nucleus, seeded."""

    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0

    def uniforms(self, first: int, count: int) -> Tensor:
        """Return one number in [0, 1) for each of `count` positions from `first` on, float64.

        Each is the first number of Philox (Salmon et al. 2011) with the seed as key and the
        position as counter.
        """
        drawn = (
            np.random.Generator(np.random.Philox(key=self.seed, counter=position)).random()
            for position in range(first, first + count)
        )
        return torch.tensor(list(drawn), dtype=torch.float64)


def pick(scores: Tensor, samplings: Sequence[Sampling], uniforms: Tensor) -> Tensor:
    """Return a token id for each row of logits, float32 [rows, vocab], as int64 [rows].

    Each row has a sampling of its own; `uniforms` is float64 [rows].
    """
    chosen = scores.argmax(-1)
    drawn = [row for row, each in enumerate(samplings) if each.temperature > 0]
    if drawn:
        settings = [(samplings[row].temperature, samplings[row].top_p) for row in drawn]
        each = torch.tensor(settings, dtype=torch.float64, device=scores.device)
        chosen[drawn] = draw(scores[drawn], each[:, :1], each[:, 1:], uniforms[drawn])
    return chosen


def draw(
    scores: Tensor, temperature: float | Tensor, top_p: float | Tensor, uniforms: Tensor
) -> Tensor:
    """Return a token id for each row; see `pick`. On a GPU nothing is waited for."""
    if scores.device.type != "cpu" or scores.shape[-1] <= 2 * _LIKELIEST[-1]:
        return _drawn(_shares(scores, temperature), top_p, uniforms)
    temperatures, limits = (
        torch.as_tensor(each, dtype=torch.float64).expand(len(scores), 1)
        for each in (temperature, top_p)
    )
    chosen = torch.full((len(scores),), -1)
    for count in _LIKELIEST:
        left = _undecided(chosen)
        rows = scores[left], temperatures[left], limits[left], uniforms[left]
        chosen[left] = _drawn_from_likeliest(*rows, count)
    if len(left := _undecided(chosen)):
        shares = _shares(scores[left], temperatures[left])
        chosen[left] = _drawn(shares, limits[left], uniforms[left])
    return chosen


def _shares(scores: Tensor, temperature: float | Tensor) -> Tensor:
    # The maximum goes first: a tiny temperature would take the scores to infinity.
    below = scores.double() - scores.amax(-1, keepdim=True)
    return torch.softmax(below / temperature, dim=-1)


def _undecided(chosen: Tensor) -> Tensor:
    return (chosen < 0).nonzero().squeeze(-1)


def _drawn(shares: Tensor, top_p: float | Tensor, uniforms: Tensor) -> Tensor:
    kept, ids = nucleus(shares, top_p)
    sums = kept.cumsum(-1)
    total = sums[..., -1:]
    index = (sums <= total * uniforms.unsqueeze(-1)).sum(-1, keepdim=True)
    # A number so close to 1 that no share is above it takes the last token that has a share.
    last = (sums < total).sum(-1, keepdim=True)
    return ids.gather(-1, torch.minimum(index, last)).squeeze(-1)


def _drawn_from_likeliest(
    scores: Tensor, temperature: Tensor, top_p: Tensor, uniforms: Tensor, count: int
) -> Tensor:
    """Return what `_drawn` does where the `count` likeliest tokens decide it, else -1.

    Sorting a vocabulary takes longer than the model of this application does. All tokens together
    are only added in float32: where a sum is so near a limit that this could matter, nothing is
    decided.
    """
    likeliest, ids = scores.topk(count, dim=-1)
    top = likeliest[:, :1]
    each = ((likeliest.double() - top) / temperature).exp()
    coarse = temperature.float().clamp(min=torch.finfo(torch.float32).tiny)
    whole = ((scores - top) / coarse).exp().sum(-1, keepdim=True).double()
    sums = each.cumsum(-1)
    before = sums - each
    every, limit, error = top_p >= 1, top_p * whole, _COARSE * whole
    inside = (sums * (before < limit)).amax(-1, keepdim=True)
    target = torch.where(every, whole, inside) * uniforms.unsqueeze(-1)
    index = (sums <= target).sum(-1, keepdim=True).clamp(max=count - 1)
    margin = torch.where(every, error, _ROUNDING * whole)
    near = ((sums - target).abs() < margin).any(-1, keepdim=True)
    at_limit = ((before - limit).abs() < error).any(-1, keepdim=True)
    ends = (sums[:, -1:] > limit + error) & ~at_limit
    share = each.gather(-1, index)
    equal = (each == share).sum(-1, keepdim=True) > 1  # the lower id would come first
    decided = (ends | every) & (sums[:, -1:] > target) & ~near & ~equal & (share > each[:, -1:])
    return ids.gather(-1, index).masked_fill(~decided, -1).squeeze(-1)


def nucleus(probabilities: Tensor, top_p: float | Tensor) -> tuple[Tensor, Tensor]:
    """Return the most likely tokens that together reach `top_p`, at least one, likeliest first.

    Returns probabilities as they were, with 0 for those left out, and ids (nucleus sampling, arXiv
    1904.09751, section 3.1).
    """
    falling, ids = probabilities.sort(dim=-1, descending=True, stable=True)
    before = falling.cumsum(-1) - falling
    kept = before < top_p
    kept[..., 0] = True
    return falling * kept, ids
