"""Which token comes next: greedily, or drawn from the top-p nucleus with a seed.

Knows nothing about models or text. Each row draws one uniform number per token from its own
generator and inverts its cumulative distribution, so that a row's result never depends on the rows
beside it, and rows of equal seed and distribution pick the same token.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Sampling:
    """How tokens are picked: greedily at temperature 0, else from the `top_p` nucleus, seeded."""

    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0


class Sampler:
    """Picks the next token of one row, token after token."""

    def __init__(self, sampling: Sampling) -> None:
        self._sampling = sampling
        self._generator = torch.Generator().manual_seed(sampling.seed)

    def pick(self, scores: Tensor) -> int:
        """Return a token id from logits, float32 [vocab]."""
        if self._sampling.temperature == 0:
            return int(scores.argmax())
        # The maximum goes first: a tiny temperature would take the scores to infinity.
        below = scores.double() - scores.max()
        probabilities = torch.softmax(below / self._sampling.temperature, dim=-1)
        uniform = torch.rand((), dtype=torch.float64, generator=self._generator).item()
        if self._sampling.top_p == 1:
            return _invert(probabilities, uniform)
        kept, ids = nucleus(probabilities, self._sampling.top_p)
        return int(ids[_invert(kept, uniform)])


def nucleus(probabilities: Tensor, top_p: float) -> tuple[Tensor, Tensor]:
    """Return the most likely tokens that together reach `top_p`, at least one, likeliest first.

    Returns probabilities as they were and ids (nucleus sampling, arXiv 1904.09751, section 3.1).
    """
    falling, ids = probabilities.sort(descending=True, stable=True)
    before = falling.cumsum(-1) - falling
    count = max(int((before < top_p).sum()), 1)
    return falling[:count], ids[:count]


def _invert(weights: Tensor, uniform: float) -> int:
    """Return the first index whose cumulative share of the weights is above `uniform`."""
    sums = weights.cumsum(-1)
    index = int(torch.searchsorted(sums, sums[-1] * uniform, right=True))
    return min(index, len(weights) - 1)
