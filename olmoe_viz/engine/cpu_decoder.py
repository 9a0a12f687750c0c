"""Decoding on a CPU by one compiled call a step."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from olmoe_viz.engine.cache import KvCache
from olmoe_viz.engine.decoder import PlainDecoder
from olmoe_viz.engine.kernels.cpu.step import Batch, Record, Shared, help_with, step
from olmoe_viz.engine.kernels.cpu.weights import Floats, entries_of, sizes_of, weights_of
from olmoe_viz.engine.runner import runner_of
from olmoe_viz.engine.sampling import Sampling
from olmoe_viz.engine.taps import Arrays, Taps
from olmoe_viz.engine.threads import threads
from olmoe_viz.families.base import Parts
from olmoe_viz.models.model import Model
from olmoe_viz.policy import WEIGHTINGS, RoutingPolicy

_TOLERANCE = 1e-3  # of the plain pass's norm
# Experts of all rows in a layer from which on half of them are worth a second thread.
_WORTH_HELP = 32
_BUSY, _ALONE = 1.3, 1.0  # times this thread's own time; seconds
_WORTH_SPLITTING = 8  # rows from which on two threads do half of them each
_helper = ThreadPoolExecutor(1, thread_name_prefix="helper")


OfRows = TypeVar("OfRows", Batch, Record)


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

    def run(
        self,
        cache: KvCache,
        policies: Sequence[RoutingPolicy],
        tokens: Sequence[int],
        slots: Sequence[int],
        position: int,
    ) -> Record:
        """Run one token of each row, which all stand at one position of their slots."""
        geometry, rows = self._geometry, len(tokens)
        ks = np.array([each.ks(geometry.layers, geometry.experts) for each in policies])
        weightings = [WEIGHTINGS.index(each.weighting) for each in policies]
        batch = Batch(
            tokens=np.array(tokens),
            positions=np.full(rows, position),
            bases=np.array(slots) * cache.length,
            ks=ks,
            thresholds=np.array([each.threshold for each in policies], np.float32),
            weightings=np.array(weightings),
        )
        record = Record.empty(
            rows, geometry.vocab, geometry.layers, geometry.experts, int(ks.max())
        )
        self._run(entries_of(cache), batch, record)
        return record

    def _run(self, cache: NDArray[Any], batch: Batch, record: Record) -> None:
        """Run a step, with a second thread where that pays; the numbers are the same.

        Where the step takes longer than this thread's own time, other programs want the cores: for
        a while nobody helps then, as that would be slower than one thread alone.
        """
        began, own = time.perf_counter(), time.thread_time()
        helped = self.helped and began > self._alone_until
        rows = len(batch.tokens)
        if helped and rows >= _WORTH_SPLITTING:
            lower, upper = slice(rows // 2), slice(rows // 2, rows)
            other = _helper.submit(self._step, cache, _rows(batch, lower), _rows(record, lower))
            self._step(cache, _rows(batch, upper), _rows(record, upper))
            other.result()
        else:
            helped = helped and int(batch.ks.sum(0).max()) >= _WORTH_HELP
            self._step(cache, batch, record, helped=helped)
        seconds = time.perf_counter() - began
        if helped and seconds > _BUSY * (time.thread_time() - own):
            self._alone_until = began + seconds + _ALONE

    def _step(
        self, cache: NDArray[Any], batch: Batch, record: Record, *, helped: bool = False
    ) -> None:
        shared = Shared.empty(len(batch.tokens), self._geometry.layers, self._geometry.hidden)
        if helped:
            _helper.submit(help_with, self._sizes, self._weights, record, shared)
        step(self._sizes, self._weights, cache, batch, record, shared)

    @torch.inference_mode()
    def _check(self, model: Model) -> None:
        """Run two tokens of three rows here and by the plain pass."""
        runner, trained = runner_of(model), model.geometry.trained_k
        policies = (
            RoutingPolicy(trained),
            RoutingPolicy(model.geometry.experts, weighting="renormalized"),
            RoutingPolicy(1, weighting="gain_anchored", threshold=0.5 / trained),
        )
        rows = range(len(policies))
        ours, theirs = runner.open(len(rows), 2), runner.open(len(rows), 2)
        for position, tokens in enumerate(((1, 2, 3), (2, 3, 1))):
            record = self.run(ours, policies, tokens, rows, position)
            with threads(model, len(rows)):
                taps, ids = Taps(len(rows)), [[token] for token in tokens]
                starts = [position] * len(rows)
                hidden = runner.step(theirs, ids, rows, starts, runner.plan(policies), taps)
                scores = runner.readout(hidden[:, -1]).numpy()
            _compare("scores", record.scores, scores)
            _compare("weights", record.weights[:, :, None], taps.arrays()["weights"])


def _rows(arrays: OfRows, chosen: slice) -> OfRows:
    """Return some rows of every array."""
    parts: Any = (each[chosen] for each in arrays)
    return type(arrays)(*parts)


def _compare(name: str, ours: Floats, theirs: Floats) -> None:
    if not np.linalg.norm(ours - theirs) <= _TOLERANCE * np.linalg.norm(theirs):
        raise RuntimeError(f"the compiled step gives other {name} than the plain pass")


class CpuDecoder(PlainDecoder):
    """Chooses as the plain decoder does, and runs with kernels; see `Decoder`."""

    def __init__(
        self,
        kernels: CpuKernels,
        model: Model,
        policies: Sequence[RoutingPolicy],
        sampling: Sampling,
        prompt: int,
        limit: int,
    ) -> None:
        super().__init__(model, policies, sampling, prompt, limit)
        self._kernels = kernels

    @property
    def name(self) -> str:
        """What computes, for the provenance."""
        return "olmoe, compiled by numba"

    def _run(self, rows: Sequence[int], ids: list[list[int]]) -> list[Arrays]:
        policies = [self._policies[row] for row in rows]
        tokens = [token for (token,) in ids]
        record = self._kernels.run(self.state, policies, tokens, rows, self._position)
        scores = torch.from_numpy(record.scores)
        if len(rows) == len(self._policies):
            self._scores = scores
        else:
            self._scores[list(rows)] = scores
        self._position += 1
        # [layers, 1, ...] of each row
        recorded: Arrays = {
            "router_logits": record.router_logits[:, :, None],
            "expert_ids": record.expert_ids[:, :, None],
            "weights": record.weights[:, :, None],
        }
        return [{name: each[row] for name, each in recorded.items()} for row in range(len(rows))]
