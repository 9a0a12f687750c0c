"""One new token of every row through the whole model, in one call that holds no lock of Python."""

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from olmoe_viz.engine.kernels.cpu.attention import attend, rotate
from olmoe_viz.engine.kernels.cpu.experts import mix
from olmoe_viz.engine.kernels.cpu.interventions import intervene
from olmoe_viz.engine.kernels.cpu.linear import add, clamp, clear, copy, linear, rms_norm
from olmoe_viz.engine.kernels.cpu.machine_code import kept
from olmoe_viz.engine.kernels.cpu.router import route
from olmoe_viz.engine.kernels.cpu.team import DONE, OPEN, read, take, write
from olmoe_viz.engine.kernels.cpu.weights import Floats, view
from olmoe_viz.families.edits import Tables


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
    """What a step writes: `scores` [scored, vocab], the rest [rows, layers, experts or k]."""

    scores: Floats
    router_logits: Floats
    expert_ids: NDArray[np.int16]
    weights: Floats

    @classmethod
    def empty(
        cls, rows: int, scored: int, vocab: int, layers: int, experts: int, k: int
    ) -> "Record":
        """Return arrays that a step fills."""
        return cls(
            np.empty((scored, vocab), np.float32),
            np.empty((rows, layers, experts), np.float32),
            np.empty((rows, layers, k), np.int16),
            np.empty((rows, layers, k), np.float32),
        )

    def part(self, rows: slice, scored: slice) -> "Record":
        """Return some rows, in the same memory."""
        return Record(
            self.scores[scored], self.router_logits[rows], self.expert_ids[rows], self.weights[rows]
        )


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
        rms_norm(hidden, view(part.norm_in, (sizes.hidden,)), sizes.epsilon, normed)
        _attention(sizes, weights, part, cache[layer], batch, normed, added)
        for row in range(len(hidden)):
            add(added[row], hidden[row])
        rms_norm(hidden, view(part.norm_mid, (sizes.hidden,)), sizes.epsilon, normed)
        _routing(sizes, part, layer, batch, normed, record)
        write(shared.flags, layer, OPEN)
        _experts(sizes, part, layer, shared, record, 0, added)
        if take(shared.flags, layer):
            _experts(sizes, part, layer, shared, record, 1, shared.upper)
        else:
            while read(shared.flags, layer) != DONE:
                pass
        for row in range(len(hidden)):
            add(shared.upper[row], added[row])
            add(added[row], hidden[row])
    last = np.empty((len(batch.scored), sizes.hidden), np.float32)
    for place in range(len(last)):
        copy(hidden[batch.scored[place]], last[place])
    rms_norm(last, weights.norm, sizes.epsilon, last)
    linear(weights.head, last, record.scores)


@kept
def help_with(sizes: Any, weights: Any, record: Any, shared: Any) -> None:
    """Run on a second thread beside `step`, and do what it has not come to yet."""
    for layer in range(len(weights.layers)):
        while read(shared.flags, layer) == 0:
            pass
        if take(shared.flags, layer):
            _experts(sizes, weights.layers[layer], layer, shared, record, 1, shared.upper)
            write(shared.flags, layer, DONE)


@njit(no_cpython_wrapper=True, no_cfunc_wrapper=True)
def _experts(sizes, part, layer, shared, record, half, out):
    """Write what the lower (0) or upper (1) half of the experts adds to each row."""
    gate_up = view(part.gate_up, (sizes.experts, 2 * sizes.inner, sizes.hidden))
    down = view(part.down, (sizes.experts, sizes.hidden, sizes.inner))
    first, last = half * (sizes.experts // 2), (1 + half) * sizes.experts // 2
    ids, shares = record.expert_ids[:, layer], record.weights[:, layer]
    clear(out)
    mix(gate_up, down, shared.normed, ids, shares, first, last, out)


@njit(no_cpython_wrapper=True, no_cfunc_wrapper=True)
def _attention(sizes, weights, part, entries, batch, normed, out):
    """Write what attention adds to each row; keys and values go into the cache."""
    rows, width = normed.shape
    queries, attended = np.empty_like(normed), np.empty_like(normed)
    keys = np.empty((rows, sizes.kv_width), np.float32)
    values = np.empty_like(keys)
    linear(view(part.query, (width, width)), normed, queries)
    linear(view(part.key, (sizes.kv_width, width)), normed, keys)
    linear(view(part.value, (sizes.kv_width, width)), normed, values)
    rms_norm(queries, view(part.norm_q, (width,)), sizes.epsilon, queries)
    rms_norm(keys, view(part.norm_k, (sizes.kv_width,)), sizes.epsilon, keys)
    for each in (queries, keys, values):
        clamp(each, sizes.limit)
    for each in (queries, keys):
        rotate(each, batch.positions, weights.cosines, weights.sines)
    for row in range(rows):
        start, count = batch.bases[row] * sizes.kv_width * 4, batch.positions[row] + 1
        seen_keys = view(entries.keys + start, (count, sizes.kv_width))
        seen_values = view(entries.values + start, (count, sizes.kv_width))
        copy(keys[row], seen_keys[count - 1])
        copy(values[row], seen_values[count - 1])
        attend(queries[row], seen_keys, seen_values, sizes.heads, sizes.scaling, attended[row])
    linear(view(part.output, (width, width)), attended, out)


@njit(no_cpython_wrapper=True, no_cfunc_wrapper=True)
def _routing(sizes, part, layer, batch, normed, record):
    """Record the router's logits of each row, and choose and weigh its experts."""
    logits = np.empty((len(normed), sizes.experts), np.float32)
    linear(view(part.router, (sizes.experts, sizes.hidden)), normed, logits)
    for row in range(len(normed)):
        copy(logits[row], record.router_logits[row, layer])
        ids, shares = record.expert_ids[row, layer], record.weights[row, layer]
        k, threshold = batch.ks[row, layer], batch.thresholds[row]
        weighting = batch.weightings[row]
        scale = route(logits[row], k, sizes.trained_k, threshold, weighting, ids, shares)
        edits, place = batch.edits, batch.edits.places[row, layer]
        if place >= 0:
            acting = edits.bias[place], edits.marks[place], edits.targets[place]
            intervene(logits[row], k, threshold, scale, edits.masses[row], *acting, ids, shares)
