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

_LIKELIEST = 256  # tokens that decide nearly always
_ROUNDING = 1e-12  # of sums of shares


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
    # The maximum goes first: a tiny temperature would take the scores to infinity.
    below = scores.double() - scores.amax(-1, keepdim=True)
    shares = torch.softmax(below / temperature, dim=-1)
    if shares.device.type != "cpu" or shares.shape[-1] <= 2 * _LIKELIEST:
        return _drawn(shares, top_p, uniforms)
    limits = torch.as_tensor(top_p, dtype=torch.float64).expand(len(shares), 1)
    chosen = _drawn_from_likeliest(shares, limits, uniforms)
    left = (chosen < 0).nonzero().squeeze(-1)
    if len(left):
        chosen[left] = _drawn(shares[left], limits[left], uniforms[left])
    return chosen


def _drawn(shares: Tensor, top_p: float | Tensor, uniforms: Tensor) -> Tensor:
    kept, ids = nucleus(shares, top_p)
    sums = kept.cumsum(-1)
    total = sums[..., -1:]
    index = (sums <= total * uniforms.unsqueeze(-1)).sum(-1, keepdim=True)
    # A number so close to 1 that no share is above it takes the last token that has a share.
    last = (sums < total).sum(-1, keepdim=True)
    return ids.gather(-1, torch.minimum(index, last)).squeeze(-1)


def _drawn_from_likeliest(shares: Tensor, top_p: Tensor, uniforms: Tensor) -> Tensor:
    """Return what `_drawn` does where a few of the likeliest tokens decide it, else -1.

    Sorting a vocabulary takes longer than the model of this application does.
    """
    falling, ids = shares.topk(_LIKELIEST, dim=-1)
    sums = falling.cumsum(-1)
    before = sums - falling
    # The mass of the nucleus: up to its end where that is among these, or all there is.
    ends = sums[:, -1:] >= top_p
    inside = (sums * (before < top_p)).amax(-1, keepdim=True)
    total = torch.where(ends, inside, shares.sum(-1, keepdim=True))
    target = total * uniforms.unsqueeze(-1)
    index = (sums <= target).sum(-1, keepdim=True).clamp(max=_LIKELIEST - 1)
    near = (sums - target).abs().amin(-1, keepdim=True) < _ROUNDING
    share = falling.gather(-1, index)
    equal = (falling == share).sum(-1, keepdim=True) > 1  # the lower id would come first
    decided = (ends | (top_p >= 1)) & (sums[:, -1:] > target) & ~near & ~equal
    decided &= share > falling[:, -1:]
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
