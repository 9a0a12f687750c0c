"""Decoding on a GPU by captured graphs, one step ahead of the host.

The device chooses the tokens, so it starts the next step by itself; text, log-probabilities and
records of a step are made while the next one runs.
"""

import threading
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from olmoe_viz.engine.cache import KvCache
from olmoe_viz.engine.decoder import RowWritten, Written
from olmoe_viz.engine.kernels.gpu import self_test
from olmoe_viz.engine.kernels.gpu.graphs import Graphs
from olmoe_viz.engine.kernels.gpu.work import MAX_ROWS, Sizes, weights_of
from olmoe_viz.engine.sampling import Sampling
from olmoe_viz.engine.taps import Arrays
from olmoe_viz.families.base import Block, Parts
from olmoe_viz.models.model import Model
from olmoe_viz.policy import WEIGHTINGS, RoutingPolicy
from olmoe_viz.records.routed import width

NAME = "olmoe, Triton kernels"
# The cache takes as many tokens, of all rows: 2.1 GB of OLMoE. Less where that is more than a
# quarter of the memory that is free.
_ENTRIES, _SHARE_OF_FREE = 16_384, 4
_TESTED_ROWS = 3


class GpuKernels:
    """A model's captured steps and the cache that they work on, for one generation at a time.

    Raises RuntimeError in words when a kernel does not compute what its reference does.
    """

    def __init__(self, model: Model, parts: Parts) -> None:
        self.geometry = model.geometry
        sizes = sizes_of(model, parts)
        # Programmatic dependent launch came with Hopper.
        pdl = torch.cuda.get_device_capability(model.device) >= (9, 0)
        weights = weights_of(parts, model.sites, model.geometry.context)
        failing = self_test.failing(sizes, weights, rows=_TESTED_ROWS, pdl=pdl)
        if failing:
            raise RuntimeError(f"a kernel failed its test ({failing[0]})")
        self.entries = _entries(model, parts.blocks)
        # One entry more, where rows that rest write.
        self.cache = KvCache.empty(parts.blocks, model.dtype, 1, self.entries + 1)
        self.graphs = Graphs(sizes, weights, self.cache.layers, pdl=pdl)
        self._in_use = threading.Lock()

    def claim(self, rows: int, length: int) -> bool:
        """Take the kernels for `rows` rows of up to `length` tokens; False where that cannot be."""
        fits = rows <= MAX_ROWS and rows * length <= self.entries
        return fits and self._in_use.acquire(blocking=False)

    def release(self) -> None:
        """Give the kernels back."""
        self._in_use.release()


def sizes_of(model: Model, parts: Parts) -> Sizes:
    """Return what the kernels are compiled for."""
    geometry, block = model.geometry, parts.blocks[0]
    return Sizes(
        layers=geometry.layers,
        hidden=geometry.hidden,
        heads=geometry.heads,
        experts=geometry.experts,
        inner=geometry.intermediate,
        vocab=geometry.vocab,
        trained_k=geometry.trained_k,
        scaling=block.scaling,
        epsilon=block.epsilon,
    )


def _entries(model: Model, blocks: Sequence[Block]) -> int:
    """Return how many tokens the cache takes of all rows."""
    of_one = sum(2 * block.kv_heads * block.head_dim * model.dtype.itemsize for block in blocks)
    free, _ = torch.cuda.mem_get_info(model.device)
    return min(_ENTRIES, free // _SHARE_OF_FREE // of_one)


class GpuDecoder:
    """Writes with claimed kernels; see `Decoder`."""

    name = NAME

    def __init__(
        self,
        kernels: GpuKernels,
        policies: Sequence[RoutingPolicy],
        sampling: Sampling,
        prompt: int,
        limit: int,
    ) -> None:
        self._kernels, self._limit, self._drawn = kernels, limit, sampling.temperature > 0
        self.state = kernels.cache.first(len(policies), prompt + limit)
        self._work = kernels.graphs.work_of(len(policies))
        self._flights = kernels.graphs.flights(self._work, sampling)
        self._widths = [width(policy, kernels.geometry) for policy in policies]
        self._resting: set[int] = set()
        self._written = 0
        self._chosen: NDArray[np.float32] | None = None  # [rows, 2]: the next token, its logprob
        kernels.graphs.set_sampling(sampling, prompt, limit)
        self._set_rows(policies, prompt, prompt + limit)

    def _set_rows(self, policies: Sequence[RoutingPolicy], prompt: int, length: int) -> None:
        """Put the rows' settings on the device; the rows left over rest."""
        work, geometry, rows = self._work, self._kernels.geometry, len(policies)
        work.ks.zero_()
        work.position.zero_()
        work.base.fill_(self._kernels.entries)
        ks = [policy.ks(geometry.layers, geometry.experts) for policy in policies]
        work.ks[:, :rows] = torch.tensor(ks, dtype=torch.int32).t()
        work.threshold[:rows] = torch.tensor([policy.threshold for policy in policies])
        weightings = [WEIGHTINGS.index(policy.weighting) for policy in policies]
        work.weighting[:rows] = torch.tensor(weightings, dtype=torch.int32)
        work.position[:rows] = prompt - 1
        work.base[:rows] = torch.arange(rows, dtype=torch.int32) * length

    def start(self, hidden: Tensor) -> None:
        """Choose the first tokens, and run them; see `Decoder.start`."""
        self._kernels.graphs.start(self._work, hidden, drawn=self._drawn)
        chosen = self._work.chosen.cpu()
        self._flights[0].launch()
        self._chosen = chosen.numpy()

    def write(self, rows: Sequence[int]) -> Written:
        """Return what has run, after starting the next step; see `Decoder.write`."""
        assert self._chosen is not None  # noqa: S101 - `start` comes first
        for row in set(range(len(self._widths))) - self._resting - set(rows):
            self._rest(row)
        step, self._written = self._written, self._written + 1
        if self._written < self._limit:
            self._flights[self._written % 2].launch()
        recorded, seconds = self._flights[step % 2].wait()
        written = []
        for row in rows:
            token, logprob = self._chosen[row].tolist()
            routed = _routed(recorded.routing[row], self._widths[row])
            written.append(RowWritten(int(token), logprob, routed))
        self._chosen = recorded.chosen.copy()
        return Written(written, seconds)

    def _rest(self, row: int) -> None:
        self._work.ks[:, row] = 0
        self._work.position[row] = 0
        self._resting.add(row)

    def close(self) -> None:
        """Let the kernels go; a step that still runs is waited for."""
        torch.cuda.current_stream().synchronize()
        self._kernels.release()


def _routed(recorded: NDArray[np.float32], width: int) -> Arrays:
    """Return arrays [layers, 1, ...] from router logits and weights, [2, layers, experts]."""
    logits, dense = recorded
    order = np.argsort(-dense, axis=-1, kind="stable")[:, :width]
    weights = np.take_along_axis(dense, order, axis=-1)
    return {
        "router_logits": logits[:, None].copy(),
        "expert_ids": np.where(weights >= 0, order, -1).astype(np.int16)[:, None],
        "weights": np.maximum(weights, 0)[:, None],
    }
