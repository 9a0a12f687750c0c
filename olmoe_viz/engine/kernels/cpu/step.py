"""One new token of every row through the whole model, in one call that holds no lock of Python."""

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from olmoe_viz.engine.kernels.cpu.attention import attend
from olmoe_viz.engine.kernels.cpu.block import choose, experts, heads_of, last_of
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
    token is chosen, rising. `edits` are the interventions. The rows from `middle` on are of other
    sequences than those before.
    """

    tokens: NDArray[np.int64]
    positions: NDArray[np.int64]
    bases: NDArray[np.int64]
    ks: NDArray[np.int64]
    thresholds: Floats
    weightings: NDArray[np.int64]
    scored: NDArray[np.int64]
    edits: Tables
    middle: int


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
    """What two threads share: the residual stream, the experts' input and output, [rows, hidden].

    `added` is of the lower half of the experts, `upper` of the others; `last` [scored, hidden] is
    what is scored. `flags` int64 [2 * layers + 1] are those of `team`: of the rows and the experts
    of each layer in turn, and of the scores.
    """

    hidden: Floats
    normed: Floats
    added: Floats
    upper: Floats
    last: Floats
    flags: NDArray[np.int64]

    @classmethod
    def empty(cls, rows: int, scored: int, layers: int, hidden: int) -> "Shared":
        """Return what one step needs."""
        stream, normed, added, upper = (np.empty((rows, hidden), np.float32) for _ in range(4))
        last = np.empty((scored, hidden), np.float32)
        return cls(stream, normed, added, upper, last, np.zeros(2 * layers + 1, np.int64))


@kept
def step(
    sizes: Any, weights: Any, cache: Any, batch: Any, record: Any, shared: Any, helping: bool
) -> None:
    """Run the tokens of a `Batch` and fill a `Record`; `cache` is that of `entries_of`.

    A second thread may call it beside with the same arguments, `helping`: it does what the first
    has not come to yet. Every piece of work has one place here, so it is compiled once.
    """
    if not helping:
        for row in range(len(shared.hidden)):
            copy(weights.embed[batch.tokens[row]], shared.hidden[row])
    for piece in range(len(shared.flags)):
        if _begun(shared.flags, piece, helping):
            _halves(sizes, weights, cache, batch, record, shared, piece, helping)
        if not helping:
            _wait(shared.flags, piece)
            _between(sizes, weights, batch, record, shared, piece)


@njit(no_cpython_wrapper=True, no_cfunc_wrapper=True)
def _begun(flags, piece, helping):
    """Open a piece of work, or wait until it is open and take its other half if nobody has."""
    if helping:
        while read(flags, piece) == 0:
            pass
        return take(flags, piece)
    write(flags, piece, OPEN)
    return True


@njit(no_cpython_wrapper=True, no_cfunc_wrapper=True)
def _halves(sizes, weights, cache, batch, record, shared, piece, helping):
    """Do a half of a piece of work, and the other one too where nobody has taken it."""
    half = 1 if helping else 0
    while True:
        if piece == 2 * len(weights.layers):
            _score(weights, record, shared, half)
        elif piece % 2:
            _experts(sizes, weights, piece // 2, record, shared, half)
        else:
            _rows(sizes, weights, piece // 2, cache, batch, record, shared, half)
        if half:
            write(shared.flags, piece, DONE)
        if half or not take(shared.flags, piece):
            return
        half = 1


@njit(no_cpython_wrapper=True, no_cfunc_wrapper=True)
def _wait(flags, at):
    """Wait until both halves are done."""
    while read(flags, at) != DONE:
        pass


@njit(no_cpython_wrapper=True, no_cfunc_wrapper=True)
def _between(sizes, weights, batch, record, shared, piece):
    """After the experts of a layer add what they made; after the last bring what is scored."""
    if piece % 2 == 0:
        return
    hidden, layers = shared.hidden, len(weights.layers)
    for row in range(len(hidden)):
        add(shared.upper[row], shared.added[row])
        add(shared.added[row], hidden[row])
    if piece == 2 * layers - 1:
        _watch(record.states, layers, hidden, 0)
        last_of(sizes, weights, hidden, batch.scored, shared.last)


@njit(no_cpython_wrapper=True, no_cfunc_wrapper=True)
def _rows(sizes, weights, layer, cache, batch, record, shared, half):
    """Run attention and the router for the rows before the middle (0) or from there on (1)."""
    first, end = (batch.middle, len(shared.hidden)) if half else (0, batch.middle)
    if first == end:
        return
    part = weights.layers[layer]
    hidden, normed = shared.hidden[first:end], shared.normed[first:end]
    added = np.empty_like(hidden)
    _watch(record.states, layer, hidden, first)
    rms_norm(hidden, view(part.norm_in, (sizes.hidden,)), sizes.epsilon, normed)
    positions, bases = batch.positions[first:end], batch.bases[first:end]
    _attention(sizes, weights, part, cache[layer], positions, bases, normed, added)
    _watch(record.attended, layer, added, first)
    for row in range(len(hidden)):
        add(added[row], hidden[row])
    rms_norm(hidden, view(part.norm_mid, (sizes.hidden,)), sizes.epsilon, normed)
    choose(sizes, part, layer, batch, normed, first, record)


@njit(no_cpython_wrapper=True, no_cfunc_wrapper=True)
def _experts(sizes, weights, layer, record, shared, half):
    """Write what the lower (0) or upper (1) half of the experts adds to each row."""
    first, last = half * (sizes.experts // 2), (1 + half) * sizes.experts // 2
    out = shared.upper if half else shared.added
    experts(sizes, weights.layers[layer], layer, shared.normed, record, first, last, out)


@njit(no_cpython_wrapper=True, no_cfunc_wrapper=True)
def _score(weights, record, shared, half):
    """Write the logits after the first (0) or the other (1) half of the rows that are scored."""
    middle = (len(shared.last) + 1) // 2
    first, end = (middle, len(shared.last)) if half else (0, middle)
    linear(weights.head, shared.last[first:end], record.scores[first:end])


@njit(no_cpython_wrapper=True, no_cfunc_wrapper=True)
def _attention(sizes, weights, part, entries, positions, bases, normed, out):
    """Write what attention adds to each row; keys and values go into the cache."""
    rows, width = normed.shape
    queries, keys, values = heads_of(sizes, weights, part, positions, normed)
    attended = np.empty_like(queries)
    for row in range(rows):
        start, count = bases[row] * sizes.kv_width * 4, positions[row] + 1
        seen_keys = view(entries.keys + start, (count, sizes.kv_width))
        seen_values = view(entries.values + start, (count, sizes.kv_width))
        copy(keys[row], seen_keys[count - 1])
        copy(values[row], seen_values[count - 1])
        attend(queries[row], seen_keys, seen_values, sizes.heads, sizes.scaling, attended[row])
    linear(view(part.output, (width, width)), attended, out)


@njit(no_cpython_wrapper=True, no_cfunc_wrapper=True)
def _watch(seen, number, rows, first):
    """Keep rows, of which `first` is the first, in `seen[number]` where they are wished for."""
    if len(seen):
        for row in range(len(rows)):
            copy(rows[row], seen[number, first + row])
