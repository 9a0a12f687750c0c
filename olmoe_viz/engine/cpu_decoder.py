"""Decoding on a CPU by one compiled call a step."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from olmoe_viz.engine.cache import KvCache
from olmoe_viz.engine.compiling import COMPILED
from olmoe_viz.engine.decoder import Part, PlainDecoder, Stepped, ran
from olmoe_viz.engine.kernels.cpu.branches import Leaves, Puts, branch
from olmoe_viz.engine.kernels.cpu.step import Batch, Record, Shared, step
from olmoe_viz.engine.kernels.cpu.weights import Floats, entries_of, sizes_of, weights_of
from olmoe_viz.engine.plan import cell_of
from olmoe_viz.engine.runner import runner_of
from olmoe_viz.engine.taps import Arrays, Taps
from olmoe_viz.engine.threads import threads
from olmoe_viz.families.base import Parts
from olmoe_viz.families.edits import tables_of
from olmoe_viz.interventions import Intervention, Phase
from olmoe_viz.models.model import Model
from olmoe_viz.numerics.geometry import Geometry
from olmoe_viz.policy import WEIGHTINGS, RoutingPolicy
from olmoe_viz.records.routed import width

_TOLERANCE = 1e-3  # of the plain pass's norm
# Experts of all rows in a layer from which on half of them are worth a second thread.
_WORTH_HELP = 32
_BUSY, _ALONE = 1.3, 1.0  # times this thread's own time; seconds
_WORTH_SPLITTING = 8  # tokens of all rows, likewise
_helper = ThreadPoolExecutor(1, thread_name_prefix="helper")


class Piece(NamedTuple):
    """New tokens of one sequence, from position `start` on; `base` is its first cache entry.

    `phase` says whether they are the prompt's.
    """

    policy: RoutingPolicy
    tokens: Sequence[int]
    base: int
    start: int
    phase: Phase


class CpuKernels:
    """The compiled step of a model, of which every row may have its own policy.

    Compiles. Raises RuntimeError in words when it does not compute what the plain pass does.
    """

    def __init__(self, model: Model, parts: Parts) -> None:
        self._parts, self._geometry = parts, model.geometry  # the parts hold the weights' memory
        self._sizes = sizes_of(model.geometry, parts)
        self._weights = weights_of(parts, model.sites, model.geometry.context)
        self.helped = torch.get_num_threads() > 1
        self._alone_until = 0.0
        self._check(model)

    def run(self, cache: KvCache, pieces: Sequence[Piece], *, watched: bool = False) -> Record:
        """Run the tokens of every piece; scores are those after the last of each.

        With a second thread where that pays; the numbers are the same. `watched` records what
        enters the layers and what attention adds, of one piece.
        """
        geometry, entries = self._geometry, entries_of(cache)
        batch = _batch(pieces, geometry)
        most = max(width(piece.policy, geometry) for piece in pieces)
        rows, scored = len(batch.tokens), len(pieces)
        record = Record.empty(rows, scored, geometry, most, watched=watched)
        shared = Shared.empty(rows, scored, geometry.layers, geometry.hidden)
        half = partial(step, self._sizes, self._weights, entries, batch, record, shared)
        worth = rows >= _WORTH_SPLITTING or int(batch.ks.sum(0).max()) >= _WORTH_HELP
        if worth and self.free():
            with self._watched():
                _helper.submit(half, helping=True)
                half(helping=False)
        else:
            half(helping=False)
        return record

    def branch(
        self, cache: KvCache, states: Floats, leaves: Leaves, puts: Puts, record: Record
    ) -> None:
        """Run branches of a text of which this is the cache; see `kernels.cpu.branches.branch`."""
        branch(self._sizes, self._weights, entries_of(cache), states, leaves, puts, record)

    def free(self) -> bool:
        """Whether a second thread may help."""
        return self.helped and time.perf_counter() > self._alone_until

    def beside(self, one: Callable[[], None], other: Callable[[], None]) -> None:
        """Run two calls on two threads, of about equal length: neither sees what the other does."""
        with self._watched():
            running = _helper.submit(one)
            other()
            running.result()

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Look whether work of two threads takes longer than this thread's own time.

        Then other programs want the cores: for a while nobody helps, as that would be slower than
        one thread alone.
        """
        began, own = time.perf_counter(), time.thread_time()
        yield
        seconds = time.perf_counter() - began
        if seconds > _BUSY * (time.thread_time() - own):
            self._alone_until = began + seconds + _ALONE

    @torch.inference_mode()
    def _check(self, model: Model) -> None:
        """Run two tokens of four rows here and by the plain pass."""
        runner, trained = runner_of(model), model.geometry.trained_k
        experts = model.geometry.experts
        policies = (
            RoutingPolicy(trained),
            RoutingPolicy(model.geometry.experts, weighting="renormalized"),
            RoutingPolicy(1, weighting="gain_anchored", threshold=0.5 / trained),
            RoutingPolicy(
                trained,
                interventions=(
                    Intervention("off", (0,), tuple(range(0, experts, 3))),
                    Intervention("bias", None, tuple(range(1, experts, 3)), amount=1.0),
                ),
                lost_mass="restore",
            ),
        )
        rows = range(len(policies))
        ours, theirs = runner.open(len(rows), 2), runner.open(len(rows), 2)
        for position, tokens in enumerate(((1, 2, 3, 1), (2, 3, 1, 2))):
            pieces = [
                Piece(policy, [token], base, position, "prompt")
                for policy, token, base in zip(policies, tokens, ours.bases, strict=True)
            ]
            record = self.run(ours, pieces)
            with threads(model, len(rows)):
                taps, ids = Taps(len(rows)), [[token] for token in tokens]
                starts = [position] * len(rows)
                hidden = runner.step(theirs, ids, rows, starts, runner.plan(policies), taps)
                scores = runner.readout(hidden[:, -1]).numpy()
            _compare("scores", record.scores, scores)
            _compare("weights", record.weights[:, :, None], taps.arrays()["weights"])


def _batch(pieces: Sequence[Piece], geometry: Geometry) -> Batch:
    """Return the tokens of all pieces, each a row: those of a piece follow each other."""
    counts = [len(piece.tokens) for piece in pieces]
    plans = [plan_of(piece.policy, geometry) for piece in pieces]
    ks, thresholds, weightings = (
        np.repeat(np.stack(each), counts, 0) for each in zip(*plans, strict=True)
    )
    return Batch(
        tokens=np.array([token for piece in pieces for token in piece.tokens]),
        positions=np.concatenate([piece.start + np.arange(len(piece.tokens)) for piece in pieces]),
        bases=np.repeat([piece.base for piece in pieces], counts),
        ks=ks,
        thresholds=thresholds,
        weightings=weightings,
        scored=np.cumsum(counts) - 1,
        edits=tables_of(
            [
                cell_of(piece.policy, piece.start + at, piece.phase)
                for piece in pieces
                for at in range(len(piece.tokens))
            ],
            geometry.layer_ids,
            geometry.experts,
        ),
        middle=_middle(counts),
    )


@lru_cache(maxsize=1024)
def plan_of(policy: RoutingPolicy, geometry: Geometry) -> tuple[NDArray[Any], Any, Any]:
    """Return how the tokens of a policy are routed: ks [layers], threshold, and weighting."""
    return (
        np.array(policy.ks(geometry.layers, geometry.experts)),
        np.float32(policy.threshold),
        np.int64(WEIGHTINGS.index(policy.weighting)),
    )


def _middle(counts: Sequence[int]) -> int:
    """Return how many tokens the pieces have that make about half of them all.

    A piece is never cut: its tokens look at each other.
    """
    ends = np.cumsum([0, *counts])
    return int(ends[np.abs(ends - ends[-1] / 2).argmin()])


def _compare(name: str, ours: Floats, theirs: Floats) -> None:
    if not np.linalg.norm(ours - theirs) <= _TOLERANCE * np.linalg.norm(theirs):
        raise RuntimeError(f"the compiled step gives other {name} than the plain pass")


class CpuDecoder(PlainDecoder):
    """Runs all parts in one call of the compiled step; see `Decoder`."""

    def __init__(self, kernels: CpuKernels, model: Model, entries: int) -> None:
        super().__init__(model, entries)
        self._kernels = kernels

    @property
    def name(self) -> str:
        """What computes, for the provenance."""
        return COMPILED

    @torch.inference_mode()
    def step(self, parts: Sequence[Part]) -> Stepped:
        """Run the parts; see `Decoder.step`."""
        began = time.perf_counter()
        pieces = [
            Piece(row.policy, part.tokens, row.base, row.position, row.phase)
            for part in parts
            for row in [part.row]
        ]
        record = self._kernels.run(self._cache, pieces)
        done = ran(parts, by_piece(record, pieces), torch.from_numpy(record.scores))
        return Stepped(done, time.perf_counter() - began)


def by_piece(record: Record, pieces: Sequence[Piece]) -> list[Arrays]:
    """Return what was recorded of each piece, [layers, tokens, ...]."""
    routed: list[Arrays] = []
    first = 0
    for piece in pieces:
        rows = slice(first, first := first + len(piece.tokens))
        routed.append(
            {
                "router_logits": record.router_logits[rows].swapaxes(0, 1),
                "expert_ids": record.expert_ids[rows].swapaxes(0, 1),
                "weights": record.weights[rows].swapaxes(0, 1),
            }
        )
    return routed
