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
    scores = np.full((heads, padded(len(keys))), -np.inf, np.float32)
    starts = starts_of(heads, len(queries) // heads, keys.shape[1])
    scaled = np.empty_like(queries)
    for k in range(len(queries)):
        scaled[k] = queries[k] * scaling
    _ask(scaled, keys, starts, 0, scores)
    for head in range(heads):
        softmax(scores[head])
    _clear(out)
    _read(scores, values, starts, 0, out)


@njit
def attend_both(scaled, text, text_values, keys, values, starts, scratch, out):
    """Write what one token reads from a text and from entries of its own.

    `scaled` are its queries times the scale of the products, `text` the keys of `across`, of which
    as many are seen as there are `text_values`. `starts` are those of `starts_of`, and `scratch` is
    memory for a product of each head and entry, padded.
    """
    seen, heads = len(text_values), len(starts)
    room = padded(seen + len(keys))
    scores = scratch[: heads * room].reshape((heads, room))
    _ask_across(scaled, text, starts, seen, scores)
    _ask(scaled, keys, starts, seen, scores)
    for head in range(heads):
        softmax(scores[head])
    _clear(out)
    _read(scores, text_values, starts, 0, out)
    _read(scores, values, starts, seen, out)


@njit
def across(keys):
    """Return keys [entries, width] as [width, padded entries], for many tokens that read them."""
    entries, width = keys.shape
    turned = np.zeros((width, padded(entries)), np.float32)
    for entry in range(entries):
        for k in range(width):
            turned[k, entry] = keys[entry, k]
    return turned


@njit
def _ask_across(scaled, text, starts, seen, scores):
    """Write each head's products with the first `seen` keys, sixteen side by side; then -inf."""
    entries, (heads, room) = text.shape[1], scores.shape
    head_dim = len(scaled) // heads
    for head in range(heads):
        for entry in range(0, seen, LANES):
            summed = zeros()
            for k in range(head_dim):
                query = spread(scaled[head * head_dim + k])
                at = (starts[head] + k) * entries + entry
                summed = multiply_add(query, load(text, at), summed)
            store(scores, head * room + entry, summed)
        for entry in range(seen, room):
            scores[head, entry] = -np.inf


@njit
def _ask(scaled, keys, starts, first, scores):
    """Write each head's products with the keys, from column `first` on.

    Reads the cache once, four entries a time.
    """
    (entries, width), (heads, room) = keys.shape, scores.shape
    head_dim = len(scaled) // heads
    for entry in range(0, entries - 3, 4):
        for head in range(heads):
            query, at = head * head_dim, entry * width + starts[head]
            a, b, c, d = zeros(), zeros(), zeros(), zeros()
            for k in range(0, head_dim, LANES):
                x = load(scaled, query + k)
                a = multiply_add(load(keys, at + k), x, a)
                b = multiply_add(load(keys, at + width + k), x, b)
                c = multiply_add(load(keys, at + 2 * width + k), x, c)
                d = multiply_add(load(keys, at + 3 * width + k), x, d)
            store_totals(scores, head * room + first + entry, a, b, c, d)
    for entry in range(entries // 4 * 4, entries):
        for head in range(heads):
            at = entry * width + starts[head]
            scores[head, first + entry] = dot(scaled, head * head_dim, keys, at, head_dim)


@njit
def _read(scores, values, starts, first, out):
    """Add each head's sum of the values, weighted from column `first` on.

    Reads the cache once, four entries a time, which are added one after another.
    """
    (entries, width), heads = values.shape, len(scores)
    head_dim = len(out) // heads
    for entry in range(0, entries - 3, 4):
        for head in range(heads):
            a, b = spread(scores[head, first + entry]), spread(scores[head, first + entry + 1])
            c, d = spread(scores[head, first + entry + 2]), spread(scores[head, first + entry + 3])
            for k in range(0, head_dim, LANES):
                at, read = entry * width + starts[head] + k, head * head_dim + k
                summed = multiply_add(a, load(values, at), load(out, read))
                summed = multiply_add(b, load(values, at + width), summed)
                summed = multiply_add(c, load(values, at + 2 * width), summed)
                store(out, read, multiply_add(d, load(values, at + 3 * width), summed))
    for entry in range(entries // 4 * 4, entries):
        for head in range(heads):
            weight, at = spread(scores[head, first + entry]), entry * width + starts[head]
            for k in range(0, head_dim, LANES):
                read = head * head_dim + k
                store(out, read, multiply_add(weight, load(values, at + k), load(out, read)))


@njit
def _clear(out):
    for k in range(0, len(out), LANES):
        store(out, k, zeros())


@njit
def starts_of(heads, head_dim, width):
    """Return where in an entry of the cache each head's part begins; several may share one."""
    starts, shared = np.empty(heads, np.int64), heads * head_dim // width
    for head in range(heads):
        starts[head] = head // shared * head_dim
    return starts


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
