"""Attention of one new token of every row over its part of the cache."""

import numpy as np
import torch
from numba import njit
from torch import Tensor

from olmoe_viz.engine.kernels.cpu import LANES
from olmoe_viz.engine.kernels.cpu.lanes import (
    divide,
    exp,
    larger,
    largest,
    load,
    multiply_add,
    spread,
    store,
    store_totals,
    total,
    zeros,
)
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
    scores = np.empty(padded(entries), np.float32)
    for head in range(heads):
        query, start = head * head_dim, head // shared * head_dim
        _scores(queries, query, keys, start, head_dim, scores)
        for entry in range(entries):
            scores[entry] *= scaling
        for entry in range(entries, len(scores)):
            scores[entry] = -np.inf
        softmax(scores)
        for k in range(0, head_dim, LANES):
            read = zeros()
            for entry in range(entries):
                value = load(values, entry * width + start + k)
                read = multiply_add(spread(scores[entry]), value, read)
            store(out, query + k, read)


@njit
def _scores(queries, query, keys, start, head_dim, out):
    """Write the products of one query with the keys of one head, four at a time."""
    entries, width = keys.shape
    for entry in range(0, entries - 3, 4):
        at = entry * width + start
        a, b, c, d = zeros(), zeros(), zeros(), zeros()
        for k in range(0, head_dim, LANES):
            x = load(queries, query + k)
            a = multiply_add(load(keys, at + k), x, a)
            b = multiply_add(load(keys, at + width + k), x, b)
            c = multiply_add(load(keys, at + 2 * width + k), x, c)
            d = multiply_add(load(keys, at + 3 * width + k), x, d)
        store_totals(out, entry, a, b, c, d)
    for entry in range(entries // 4 * 4, entries):
        out[entry] = dot(queries, query, keys, entry * width + start, head_dim)


@njit
def padded(count):
    """Return the next multiple of the lanes."""
    return (count + LANES - 1) // LANES * LANES


@njit
def softmax(scores):
    """Replace logits by probabilities, in float32; their number must be a multiple of the lanes."""
    highest = load(scores, 0)
    for i in range(LANES, len(scores), LANES):
        highest = larger(highest, load(scores, i))
    summed, shift = zeros(), spread(-largest(highest))
    for i in range(0, len(scores), LANES):
        grown = exp(multiply_add(spread(np.float32(1)), load(scores, i), shift))
        summed = multiply_add(spread(np.float32(1)), grown, summed)
        store(scores, i, grown)
    whole = spread(total(summed))
    for i in range(0, len(scores), LANES):
        store(scores, i, divide(load(scores, i), whole))


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
