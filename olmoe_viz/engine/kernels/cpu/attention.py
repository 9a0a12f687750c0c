"""Attention of one new token of every row over its part of the cache."""

import math

import numpy as np
import torch
from numba import njit
from torch import Tensor

from olmoe_viz.engine.kernels.cpu import LANES
from olmoe_viz.engine.kernels.cpu.lanes import load, multiply_add, spread, store
from olmoe_viz.engine.kernels.cpu.linear import dot


@njit
def rotate(rows, positions, cosines, sines):
    """Turn every head of each row in place; `cosines` and `sines` are [positions, head_dim / 2]."""
    half = cosines.shape[1]
    for row in range(len(rows)):
        position = positions[row]
        for start in range(0, rows.shape[1], 2 * half):
            for k in range(half):
                x, y = rows[row, start + k], rows[row, start + half + k]
                c, s = cosines[position, k], sines[position, k]
                rows[row, start + k] = x * c - y * s
                rows[row, start + half + k] = y * c + x * s


@njit
def attend(queries, keys, values, heads, scaling, out):
    """Write what one token reads from all entries: `queries` and `out` are [heads * head_dim].

    `keys` and `values` are [entries, kv_heads * head_dim]. Each softmax is taken in float32.
    """
    entries, width = keys.shape
    head_dim = len(queries) // heads
    shared = len(queries) // width  # heads that read the same keys
    scores = np.empty((heads, entries), np.float32)
    for entry in range(entries):
        for head in range(heads):
            start = entry * width + head // shared * head_dim
            scores[head, entry] = scaling * dot(queries, head * head_dim, keys, start, head_dim)
    for head in range(heads):
        softmax(scores[head])
    for k in range(len(out)):
        out[k] = 0
    for entry in range(entries):
        for head in range(heads):
            weight, start = spread(scores[head, entry]), entry * width + head // shared * head_dim
            for k in range(0, head_dim, LANES):
                at = head * head_dim + k
                store(out, at, multiply_add(weight, load(values, start + k), load(out, at)))


@njit
def softmax(scores):
    """Replace logits by probabilities, in float32."""
    largest, summed = scores[0], np.float32(0)
    for i in range(1, len(scores)):
        largest = max(largest, scores[i])
    for i in range(len(scores)):
        scores[i] = math.exp(scores[i] - largest)
        summed += scores[i]
    for i in range(len(scores)):
        scores[i] /= summed


def rotate_reference(rows: Tensor, positions: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Return what `rotate` makes of the rows."""
    cosines, sines = cosines[positions], sines[positions]
    half = cosines.shape[-1]
    x, y = rows.view(len(rows), -1, 2, half).unbind(2)
    c, s = cosines.unsqueeze(1), sines.unsqueeze(1)
    return torch.stack((x * c - y * s, y * c + x * s), 2).view_as(rows)


def attend_reference(
    queries: Tensor, keys: Tensor, values: Tensor, heads: int, scaling: float
) -> Tensor:
    """Return what `attend` writes."""
    query = queries.view(heads, 1, -1)
    keys, values = (each.view(len(each), -1, query.shape[-1]) for each in (keys, values))
    keys, values = (each.repeat_interleave(heads // each.shape[1], 1) for each in (keys, values))
    scores = (query @ keys.permute(1, 2, 0) * scaling).softmax(-1)
    return (scores @ values.transpose(0, 1)).flatten()
