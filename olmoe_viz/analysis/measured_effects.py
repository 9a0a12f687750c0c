"""What the measured effects of experts say beside their weights."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.records.effects import Effects


@dataclass(frozen=True, eq=False)
class Measured:
    """One entry for each expert that ran in a cell, in the order of the record.

    `layers` are counted over all blocks; `weights`, `kl` and `changes` (of the log-probability of
    the run's likeliest token, in nats) are float64, `flips` whether another token is the likeliest
    without the expert, `new_tops` the visible text of that token, empty where it is the same, and
    `band` float64 [2, experts] the 2.5th and 97.5th percentile of the KL of random directions as
    long as its share.
    """

    layers: NDArray[np.int64]
    experts: NDArray[np.int64]
    weights: NDArray[np.float64]
    kl: NDArray[np.float64]
    changes: NDArray[np.float64]
    flips: NDArray[np.bool_]
    new_tops: tuple[str, ...]
    band: NDArray[np.float64]

    @property
    def beyond(self) -> int:
        """How many experts matter more than random directions of the same length do."""
        return int((self.kl > self.band[1]).sum())


def measured(effects: Effects) -> Measured:
    """Return the effects of all cells in one row; ValueError where controls are missing."""
    there, flips = effects.expert_ids >= 0, effects.tops_changed
    new_tops = np.where(flips, np.array(effects.new_top_tokens), "")
    layers = np.array([layer for layer, _ in effects.request.cells])
    return Measured(
        layers=np.broadcast_to(layers[:, None], there.shape)[there],
        experts=effects.expert_ids[there].astype(np.int64),
        weights=effects.weights[there].astype(np.float64),
        kl=np.maximum(effects.kl[there], 0.0),
        changes=effects.logprob_changes[there],
        flips=flips[there],
        new_tops=tuple(new_tops[there].tolist()),
        band=np.maximum(effects.band()[:, there], 0.0),
    )


def rank_correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float | None:
    """Return Spearman's rank correlation, equal values sharing a rank; None where one is constant.

    Of fewer than three values there is none either.
    """
    if len(a) < 3:
        return None
    one, other = (_ranks(values) - (len(values) + 1) / 2 for values in (a, b))
    lengths = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / lengths if lengths else None


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    means: NDArray[np.float64] = (ends - (counts - 1) / 2)[inverse]
    return means
