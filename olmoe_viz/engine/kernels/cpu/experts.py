"""The experts: the rows of a batch are grouped by expert, so that its weights are read once."""

import numpy as np
import torch
import torch.nn.functional as F
from numba import njit
from torch import Tensor

from olmoe_viz.engine.kernels.cpu import LANES
from olmoe_viz.engine.kernels.cpu.lanes import (
    divide,
    exp,
    load,
    multiply_add,
    spread,
    store,
    zeros,
)
from olmoe_viz.engine.kernels.cpu.linear import copy, linear


@njit
def mix(gate_up, down, rows, ids, weights, first, last, out):
    """Add to `out` [rows, hidden] the weighted outputs of each row's experts, by rising id.

    Of those from `first` on and before `last`.

    `gate_up` is [experts, 2 * inner, hidden], `down` [experts, hidden, inner]; `ids` and `weights`
    are [rows, k], with -1 where there is no expert. Each is W_down(silu(W_gate x) * W_up x).
    """
    experts, hidden, inner = down.shape
    counts, users = _users(ids, experts)
    gathered = np.empty((len(rows), hidden), np.float32)
    halves = np.empty((len(rows), 2 * inner), np.float32)
    gated = np.empty((len(rows), inner), np.float32)
    outputs = np.empty((len(rows), hidden), np.float32)
    for expert in range(first, last):
        count = counts[expert]
        if count == 0:
            continue
        for i in range(count):
            copy(rows[users[expert, i] // ids.shape[1]], gathered[i])
        linear(gate_up[expert], gathered[:count], halves[:count])
        for i in range(count):
            gate(halves[i], gated[i])
        linear(down[expert], gated[:count], outputs[:count])
        for i in range(count):
            row, column = divmod(users[expert, i], ids.shape[1])
            for k in range(hidden):
                out[row, k] += weights[row, column] * outputs[i, k]


@njit
def _users(ids, experts):
    """Return how many rows use each expert, and where in `ids` they do."""
    rows, width = ids.shape
    counts = np.zeros(experts, np.int64)
    users = np.empty((experts, rows), np.int64)
    for row in range(rows):
        for column in range(width):
            expert = ids[row, column]
            if expert >= 0:
                users[expert, counts[expert]] = row * width + column
                counts[expert] += 1
    return counts, users


@njit
def gate(halves, out):
    """Write silu(gate) * up into `out` [inner], gate being the first half."""
    inner, one = len(out), spread(np.float32(1))
    for k in range(0, inner, LANES):
        x, up = load(halves, k), load(halves, inner + k)
        grown = exp(multiply_add(x, spread(np.float32(-1)), zeros()))
        activated = divide(x, multiply_add(one, grown, one))
        store(out, k, multiply_add(activated, up, zeros()))


def mix_reference(
    gate_up: Tensor, down: Tensor, rows: Tensor, ids: Tensor, weights: Tensor
) -> Tensor:
    """Return what `mix` adds for all experts."""
    out = torch.zeros_like(rows)
    for row, column in (ids >= 0).nonzero().tolist():
        expert = ids[row, column]
        up = F.linear(rows[row], gate_up[expert])
        first, second = up.chunk(2)
        out[row] += weights[row, column] * F.linear(F.silu(first) * second, down[expert])
    return out
