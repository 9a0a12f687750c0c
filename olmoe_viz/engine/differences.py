"""How predictions differ from one that they are compared with, from logits on the device.

A small effect from the differences of logits alone, so that it is not lost in the rounding of two
large sums: with d the logits of the other less those of the one, and p the probabilities of the
one, log Z' - log Z = log(1 + sum p (e^d - 1)) and KL = that - sum p d. Where the sum comes near -1,
as when a token that was nearly certain is gone, its rounding would be most of what is left: there
the two sums are taken by themselves, in float64.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Float64s = NDArray[np.float64]
Ids = NDArray[np.int64]
_TOGETHER = 16  # predictions whose differences stay in a core's memory on their way
FAR = -0.5  # of the sum of p (e^d - 1)


class Difference(NamedTuple):
    """Of n predictions from one: `kl` float64 and `tops` int64, [n]; in the host's memory.

    `kl` is in nats, weighed by the one's probabilities; `tops` are the likeliest tokens. `shifts`
    float64 [n] are the differences of the logarithms of the summed powers.
    """

    kl: Float64s
    shifts: Float64s
    tops: Ids


def difference(plain: Tensor, found: Tensor) -> Difference:
    """Compare logits [n, vocab] with `plain` [vocab], both float32.

    The rounding is a part of d, so float32 is enough.
    """
    weights = plain.softmax(-1)
    parts = [_compared(plain, some, weights) for some in torch.split(found, _TOGETHER)]
    kl, shifts, tops = (np.concatenate(each) for each in zip(*parts, strict=True))
    return Difference(kl, shifts, tops)


def _compared(plain: Tensor, found: Tensor, weights: Tensor) -> Difference:
    apart = found - plain
    mean, tops = apart @ weights, found.argmax(-1).cpu().numpy()
    grown = (apart.expm1_() @ weights).double()
    shifts = torch.log1p(grown)
    far = ~((grown > FAR) & grown.isfinite())  # a power may be above what float32 holds
    if far.any():
        shifts[far] = found[far].double().logsumexp(-1) - plain.double().logsumexp(-1)
    return Difference(_host((shifts - mean).clamp(min=0)), _host(shifts), tops)


def changes(plain: Tensor, found: Tensor, of: Difference, token: int) -> Float64s:
    """Return how much the natural log-probability of a token changes, float64 [n]."""
    return _host(found[:, token].double() - plain[token].double()) - of.shifts


def ranks(found: Tensor, of: Difference, token: int) -> Ids:
    """Return the rank of a token in each prediction, 1 for the first; of equals the lower id."""
    ranked = np.ones(len(found), np.int64)
    others = np.flatnonzero(of.tops != token)
    if len(others):
        some = found[torch.from_numpy(others).to(found.device)]
        own = some[:, token, None]
        ahead = (some > own).sum(-1) + (some[:, :token] == own).sum(-1)
        ranked[others] += ahead.cpu().numpy()
    return ranked


def logprob(logits: Tensor, token: int) -> float:
    """Return the natural log-probability of a token, from logits [vocab]."""
    return float(logits.double().log_softmax(-1)[token])


def _host(values: Tensor) -> Float64s:
    array: Float64s = values.double().cpu().numpy()
    return array
