"""Branches of a text through the layers above the place where each leaves it, in one call.

The reference is `engine.branch_pass`, which says the same in torch.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from olmoe_viz.engine.kernels.cpu.attention import across, attend_both, padded, starts_of
from olmoe_viz.engine.kernels.cpu.block import choose, experts, heads_of, score
from olmoe_viz.engine.kernels.cpu.linear import add, copy, linear, rms_norm
from olmoe_viz.engine.kernels.cpu.machine_code import kept
from olmoe_viz.engine.kernels.cpu.weights import Floats, view
from olmoe_viz.families.edits import Tables

HIDDEN, ATTENTION = 0, 1


class Leaves(NamedTuple):
    """The tokens of branches, a row each: branch by branch, by rising layer.

    Of each its first layer, its position, how many tokens of the text its branch sees, and the
    first row of its branch, int64 [rows]; the rest is as in `step.Batch`.
    """

    layers: NDArray[np.int64]
    positions: NDArray[np.int64]
    seen: NDArray[np.int64]
    begins: NDArray[np.int64]
    ks: NDArray[np.int64]
    thresholds: Floats
    weightings: NDArray[np.int64]
    scored: NDArray[np.int64]
    edits: Tables


class Puts(NamedTuple):
    """What is put into rows: of each its part, its layer, its row, and whether it replaces.

    The part is `HIDDEN`, what enters the layer, or `ATTENTION`, what its attention adds. All int64
    [puts], in the order in which they are put; `values` [puts, hidden].
    """

    parts: NDArray[np.int64]
    layers: NDArray[np.int64]
    rows: NDArray[np.int64]
    replaces: NDArray[np.int64]
    values: Floats


@kept
def branch(
    sizes: Any, weights: Any, cache: Any, states: Any, leaves: Any, puts: Any, record: Any
) -> None:
    """Run the rows of `Leaves` and fill a `step.Record`, of what no row came to but scores.

    `cache` is that of `entries_of` a text; `states` [layers + 1, tokens, hidden] are what entered
    each of its layers and left the last. Neither is written to.
    """
    hidden = np.empty((len(leaves.layers), sizes.hidden), np.float32)
    normed, added = np.empty_like(hidden), np.empty_like(hidden)
    there = 0
    for layer in range(leaves.layers[0], len(weights.layers) + 1):
        while there < len(hidden) and leaves.layers[there] <= layer:
            copy(states[layer, leaves.positions[there]], hidden[there])
            there += 1
        _put(puts, HIDDEN, layer, hidden)
        if layer < len(weights.layers):
            here = hidden[:there], normed[:there], added[:there]
            _block(sizes, weights, cache[layer], layer, leaves, puts, record, *here)
    score(sizes, weights, hidden, leaves.scored, record.scores)


@njit(no_cpython_wrapper=True, no_cfunc_wrapper=True)
def _block(sizes, weights, entries, layer, leaves, puts, record, hidden, normed, added):
    """Run the rows that are there through a block; `normed` and `added` are scratch memory."""
    part = weights.layers[layer]
    rms_norm(hidden, view(part.norm_in, (sizes.hidden,)), sizes.epsilon, normed)
    _attention(sizes, weights, part, entries, leaves, normed, added)
    _put(puts, ATTENTION, layer, added)
    for row in range(len(hidden)):
        add(added[row], hidden[row])
    rms_norm(hidden, view(part.norm_mid, (sizes.hidden,)), sizes.epsilon, normed)
    choose(sizes, part, layer, leaves, normed, 0, record)
    experts(sizes, part, layer, normed, record, 0, sizes.experts, added)
    for row in range(len(hidden)):
        add(added[row], hidden[row])


@njit(no_cpython_wrapper=True, no_cfunc_wrapper=True)
def _attention(sizes, weights, part, entries, leaves, normed, out):
    """Write what attention adds; a row sees the text before its branch, and its branch so far."""
    rows, width = normed.shape
    queries, keys, values = heads_of(sizes, weights, part, leaves.positions[:rows], normed)
    attended = np.empty_like(queries)
    text = across(view(entries.keys, (leaves.seen[:rows].max(), sizes.kv_width)))
    starts = starts_of(sizes.heads, width // sizes.heads, sizes.kv_width)
    most = (leaves.seen[:rows] + np.arange(1, rows + 1) - leaves.begins[:rows]).max()
    scratch = np.empty(sizes.heads * padded(most), np.float32)
    for row in range(rows):
        for k in range(width):
            queries[row, k] *= sizes.scaling
        own = slice(leaves.begins[row], row + 1)
        text_values = view(entries.values, (leaves.seen[row], sizes.kv_width))
        runs = text, text_values, keys[own], values[own]
        attend_both(queries[row], *runs, starts, scratch, attended[row])
    linear(view(part.output, (width, width)), attended, out)


@njit(no_cpython_wrapper=True, no_cfunc_wrapper=True)
def _put(puts, part, layer, rows):
    """Put what belongs to a part of a layer into its rows."""
    for at in range(len(puts.layers)):
        if puts.layers[at] == layer and puts.parts[at] == part:
            if puts.replaces[at]:
                copy(puts.values[at], rows[puts.rows[at]])
            else:
                add(puts.values[at], rows[puts.rows[at]])
