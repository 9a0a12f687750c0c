"""How each of some predictions differs from one, in one reading of its logits.

The reference is `engine.differences`, which says the same in torch, and why in these sums.
"""

import numpy as np
import torch
from torch import Tensor

from olmoe_viz.engine.kernels.cpu import LANES
from olmoe_viz.engine.kernels.cpu.lanes import (
    exp_above_line,
    larger,
    largest,
    load,
    multiply_add,
    spread,
    total,
    zeros,
)
from olmoe_viz.engine.kernels.cpu.machine_code import kept


@kept
def compare(plain, weights, found, sums, tops):
    """Write of every row of `found` [n, vocab] three sums, float32 [n, 3], and the likeliest token.

    With d the row less `plain` [vocab], and the probabilities `weights` [vocab]: the sum of
    weights * d, that of weights * (e^d - 1 - d), and the largest d. The vocabulary must be a
    multiple of the lanes; above a d of 88 the second sum is too small.
    """
    width = len(plain)
    for row in range(len(found)):
        start, moved, bent = row * width, zeros(), zeros()
        high, apart = spread(np.float32(-np.inf)), spread(np.float32(-np.inf))
        for k in range(0, width, LANES):
            x, weight = load(found, start + k), load(weights, k)
            d = multiply_add(load(plain, k), spread(np.float32(-1)), x)
            moved = multiply_add(weight, d, moved)
            bent = multiply_add(weight, exp_above_line(d), bent)
            high, apart = larger(high, x), larger(apart, d)
        sums[row, 0], sums[row, 1], sums[row, 2] = total(moved), total(bent), largest(apart)
        best, token = largest(high), 0
        while token < width - 1 and found[row, token] != best:
            token += 1
        tops[row] = token


def compare_reference(plain: Tensor, found: Tensor) -> tuple[Tensor, Tensor]:
    """Return what `compare` writes with the probabilities of `plain`."""
    apart = (found - plain).double()
    weights = plain.double().softmax(-1)
    bent = (apart.expm1() - apart) @ weights
    return torch.stack((apart @ weights, bent, apart.amax(-1)), 1), found.argmax(-1)
