"""What ran in the cells of a routing map.

What is drawn of a run is what ran, as recorded. Ranked here are only the experts that did not run,
and what a second policy would choose from the same router probabilities.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.numerics import routing
from olmoe_viz.numerics.geometry import Geometry
from olmoe_viz.policy import RoutingPolicy

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class TraceLike(Protocol):
    """What a map needs of a trace: one token a column, its routing and the geometry."""

    @property
    def tokens(self) -> Sequence[str]:
        """Text of each token."""
        ...

    @property
    def router_logits(self) -> NDArray[np.float32]:
        """Raw router logits [layers, tokens, experts]."""
        ...

    @property
    def expert_ids(self) -> NDArray[np.int16]:
        """The experts that ran [layers, tokens, largest k], strongest first, -1 for none."""
        ...

    @property
    def weights(self) -> NDArray[np.float32]:
        """What their outputs were multiplied by, of the same shape, 0 for none."""
        ...

    @property
    def geometry(self) -> Geometry:
        """The model's sizes."""
        ...


@dataclass(frozen=True, eq=False)
class Columns:
    """Tokens and their routing, where there is no Trace (yet); arrays as in a Trace.

    As those of a Trace they do not change: what was drawn of them once is not looked at again.
    """

    tokens: Sequence[str]
    router_logits: NDArray[np.float32]
    expert_ids: NDArray[np.int16]
    weights: NDArray[np.float32]
    geometry: Geometry


class Cells:
    """What ran in each cell; arrays [layers, tokens, ...]."""

    def __init__(self, columns: TraceLike) -> None:
        self.ids: Ints = columns.expert_ids.astype(np.int64)  # [..., largest k], -1 for none
        self.probabilities = routing.probabilities(columns.router_logits)  # [..., experts]
        self.experts = self.probabilities.shape[-1]
        self.trained_k = columns.geometry.trained_k
        self.ran: Bools = routing.used(self.ids, self.experts)  # [..., experts]
        self.counts: Ints = self.ran.sum(axis=-1)
        self.mass = np.minimum(routing.mass(self.probabilities, self.ids), 1.0)

    def strongest(self) -> Floats:
        """Probability of the strongest expert that ran."""
        return np.asarray(np.take_along_axis(self.probabilities, self.ids[..., :1], -1)[..., 0])

    def margin(self) -> Floats:
        """How far the last expert that ran is ahead of the first that did not, else of 0."""
        last = np.where(self.ran, self.probabilities, np.inf).min(axis=-1)
        return np.asarray(last - np.where(self.ran, 0.0, self.probabilities).max(axis=-1))

    def listed(self, shown: int) -> Ints:
        """The first `shown` experts: those that ran as recorded, then the others."""
        ids = self.ids[..., :shown]
        if shown <= self.counts.min():
            return ids
        ids = np.pad(ids, ((0, 0), (0, 0), (0, shown - ids.shape[-1])), constant_values=-1)
        cut_off = routing.ranking(np.where(self.ran, -1.0, self.probabilities))
        places = np.maximum(np.arange(shown) - self.counts[..., None], 0)
        return np.asarray(np.where(ids >= 0, ids, np.take_along_axis(cut_off, places, axis=-1)))


def drift(cells: Cells, other: TraceLike) -> Floats:
    """How many of a cell's strongest experts are not among as many of the other run."""
    most = compared(cells, other)[..., None]
    mine, theirs = (
        routing.used(np.where(np.arange(ids.shape[-1]) < most, ids, -1), cells.experts)
        for ids in (cells.ids, other.expert_ids)
    )
    return np.asarray((mine & ~theirs).sum(axis=-1), dtype=np.float64)


def compared(cells: Cells, other: TraceLike) -> Ints:
    """As many experts as ran in both runs, [layers, tokens]."""
    return np.asarray(np.minimum(cells.counts, (other.expert_ids >= 0).sum(axis=-1)))


def would_run(cells: Cells, policy: RoutingPolicy, against: RoutingPolicy | None) -> Ints | None:
    """The experts that a second policy would choose; None where it is the same."""
    if against is None or replace(against, weighting=policy.weighting) == policy:
        return None
    return routing.select(cells.probabilities, against, cells.trained_k)[0]
