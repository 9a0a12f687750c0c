"""One new token of every row through the whole model, in one call that holds no lock of Python."""

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from olmoe_viz.engine.kernels.cpu.attention import attend
from olmoe_viz.engine.kernels.cpu.block import choose, experts, heads_of, score
from olmoe_viz.engine.kernels.cpu.linear import add, copy, linear, rms_norm
from olmoe_viz.engine.kernels.cpu.machine_code import kept
from olmoe_viz.engine.kernels.cpu.team import DONE, OPEN, read, take, write
from olmoe_viz.engine.kernels.cpu.weights import Floats, view
from olmoe_viz.families.edits import Tables
from olmoe_viz.numerics.geometry import Geometry


class Batch(NamedTuple):
    """What runs: of each row its token, position, first entry in the cache, and policy.

    Several rows may be tokens of one sequence, by rising position. Integers are int64. `ks` is
    [rows, layers]; `weighting` indexes `policy.WEIGHTINGS`. `scored` are the rows after which a
    token is chosen, rising. `edits` are the interventions.
    """

    tokens: NDArray[np.int64]
    positions: NDArray[np.int64]
    bases: NDArray[np.int64]
    ks: NDArray[np.int64]
    thresholds: Floats
    weightings: NDArray[np.int64]
    scored: NDArray[np.int64]
    edits: Tables


class Record(NamedTuple):
    """What a step writes: `scores` [scored, vocab], then three of [rows, layers, experts or k].

    `states` [layers + 1, rows, hidden] are what entered each layer and left the last, `attended`
    [layers, rows, hidden] what attention added; empty where nobody watches.
    """

    scores: Floats
    router_logits: Floats
    expert_ids: NDArray[np.int16]
    weights: Floats
    states: Floats
    attended: Floats

    @classmethod
    def empty(
        cls, rows: int, scored: int, geometry: Geometry, most: int, *, watched: bool = False
    ) -> "Record":
        """Return arrays that a step fills; no row has more than `most` experts."""
        layers, seen = geometry.layers, geometry.layers if watched else 0
        return cls(
            np.empty((scored, geometry.vocab), np.float32),
            np.empty((rows, layers, geometry.experts), np.float32),
            np.empty((rows, layers, most), np.int16),
            np.empty((rows, layers, most), np.float32),
            np.empty((seen + watched, rows, geometry.hidden), np.float32),
            np.empty((seen, rows, geometry.hidden), np.float32),
        )

    def part(self, rows: slice, scored: slice) -> "Record":
        """Return some rows of what nobody watches, in the same memory."""
        routed = self.router_logits[rows], self.expert_ids[rows], self.weights[rows]
        return Record(self.scores[scored], *routed, self.states, self.attended)


class Shared(NamedTuple):
    """What two threads share: the experts' input and the sum of the upper half, [rows, hidden].

    `flags` int64 [layers] are those of `team`.
    """

    normed: Floats
    upper: Floats
    flags: NDArray[np.int64]

    @classmethod
    def empty(cls, rows: int, layers: int, hidden: int) -> "Shared":
        """Return what one step needs."""
        normed, upper = (np.empty((rows, hidden), np.float32) for _ in range(2))
        return cls(normed, upper, np.zeros(layers, np.int64))


@kept
def step(sizes: Any, weights: Any, cache: Any, batch: Any, record: Any, shared: Any) -> None:
    """Run the tokens of a `Batch` and fill a `Record`; `cache` is that of `entries_of`."""
    hidden = np.empty((len(batch.tokens), sizes.hidden), np.float32)
    normed, added = shared.normed, np.empty_like(hidden)
    for row in range(len(hidden)):
        copy(weights.embed[batch.tokens[row]], hidden[row])
    for layer in range(len(weights.layers)):
        part = weights.layers[layer]
        _watch(record.states, layer, hidden)
        rms_norm(hidden, view(part.norm_in, (sizes.hidden,)), sizes.epsilon, normed)
        _attention(sizes, weights, part, cache[layer], batch, normed, added)
        _watch(record.attended, layer, added)
        for row in range(len(hidden)):
            add(added[row], hidden[row])
        rms_norm(hidden, view(part.norm_mid, (sizes.hidden,)), sizes.epsilon, normed)
        choose(sizes, part, layer, batch, normed, record)
        write(shared.flags, layer, OPEN)
        _half(sizes, part, layer, shared, record, 0, added)
        if take(shared.flags, layer):
            _half(sizes, part, layer, shared, record, 1, shared.upper)
        else:
            while read(shared.flags, layer) != DONE:
                pass
        for row in range(len(hidden)):
            add(shared.upper[row], added[row])
            add(added[row], hidden[row])
    _watch(record.states, len(weights.layers), hidden)
    score(sizes, weights, hidden, batch.scored, record.scores)


@kept
def help_with(sizes: Any, weights: Any, record: Any, shared: Any) -> None:
    """Run on a second thread beside `step`, and do what it has not come to yet."""
    for layer in range(len(weights.layers)):
        while read(shared.flags, layer) == 0:
            pass
        if take(shared.flags, layer):
            _half(sizes, weights.layers[layer], layer, shared, record, 1, shared.upper)
            write(shared.flags, layer, DONE)


@njit(no_cpython_wrapper=True, no_cfunc_wrapper=True)
def _half(sizes, part, layer, shared, record, half, out):
    """Write what the lower (0) or upper (1) half of the experts adds to each row."""
    first, last = half * (sizes.experts // 2), (1 + half) * sizes.experts // 2
    experts(sizes, part, layer, shared.normed, record, first, last, out)


@njit(no_cpython_wrapper=True, no_cfunc_wrapper=True)
def _attention(sizes, weights, part, entries, batch, normed, out):
    """Write what attention adds to each row; keys and values go into the cache."""
    rows, width = normed.shape
    queries, keys, values = heads_of(sizes, weights, part, batch.positions, normed)
    attended = np.empty_like(queries)
    for row in range(rows):
        start, count = batch.bases[row] * sizes.kv_width * 4, batch.positions[row] + 1
        seen_keys = view(entries.keys + start, (count, sizes.kv_width))
        seen_values = view(entries.values + start, (count, sizes.kv_width))
        copy(keys[row], seen_keys[count - 1])
        copy(values[row], seen_values[count - 1])
        attend(queries[row], seen_keys, seen_values, sizes.heads, sizes.scaling, attended[row])
    linear(view(part.output, (width, width)), attended, out)


@njit(no_cpython_wrapper=True, no_cfunc_wrapper=True)
def _watch(seen, number, rows):
    """Keep rows as `seen[number]` where they are wished for."""
    if len(seen):
        for row in range(len(rows)):
            copy(rows[row], seen[number, row])
