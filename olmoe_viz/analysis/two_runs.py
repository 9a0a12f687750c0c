"""What differs between two recorded runs: their tokens, and how the common ones were routed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.analysis.run import Run
from olmoe_viz.analysis.token_diff import first_difference
from olmoe_viz.numerics import routing


@dataclass(frozen=True, eq=False)
class LayerDifferences:
    """How two runs routed the tokens that both begin with, layer by layer.

    All are float64 [layers]. `shared` is the share of the first run's experts that the second used
    too, for the same token; `masses` the share of router probability that each run's experts keep;
    `load_distance` half the summed difference of the experts' shares of all routes, from 0 (all
    experts equally busy in both) to 1 (none in common): the total variation distance.
    """

    shared: NDArray[np.float64]
    masses: tuple[NDArray[np.float64], NDArray[np.float64]]
    load_distance: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Difference:
    """What differs between two runs.

    `first_token` is the first place where their tokens differ, None where they are the same;
    `common` the number of tokens that both begin with. `layers` is None where the runs cannot be
    set against each other layer by layer, and `reason` says why. `same` says that tokens, experts
    and weights are the same in all bits.
    """

    first_token: int | None
    common: int
    layers: LayerDifferences | None
    reason: str
    same: bool


def difference(first: Run, second: Run) -> Difference:
    """Set two runs against each other."""
    place = first_difference([first.token_ids, second.token_ids])
    common = len(first.token_ids) if place is None else place
    reason = _reason(first, second, common)
    return Difference(
        first_token=place,
        common=common,
        layers=None if reason else _layers(first, second, common),
        reason=reason,
        same=place is None and _same_routing(first, second),
    )


def _reason(first: Run, second: Run, common: int) -> str:
    """Say why the layers cannot be compared; nothing where they can."""
    layers = [run.geometry.layer_ids for run in (first, second)]
    experts = [run.geometry.experts for run in (first, second)]
    if layers[0] != layers[1] or experts[0] != experts[1]:
        return (
            f"One model has {len(layers[0])} layers of {experts[0]} experts, the other "
            f"{len(layers[1])} of {experts[1]}."
        )
    return "" if common else "The texts differ from their first token on."


def _same_routing(first: Run, second: Run) -> bool:
    return np.array_equal(first.expert_ids, second.expert_ids) and np.array_equal(
        first.weights, second.weights
    )


def _layers(first: Run, second: Run, common: int) -> LayerDifferences:
    experts = first.geometry.experts
    ids = [run.expert_ids[:, :common] for run in (first, second)]
    one, other = (routing.used(each, experts) for each in ids)
    masses = [
        routing.mass(run.probabilities()[:, :common], each).mean(axis=1)
        for run, each in zip((first, second), ids, strict=True)
    ]
    shares = [each.sum(axis=1) / each.sum(axis=(1, 2))[:, None] for each in (one, other)]
    return LayerDifferences(
        shared=(one & other).sum(axis=(1, 2)) / one.sum(axis=(1, 2)),
        masses=(masses[0], masses[1]),
        load_distance=np.abs(shares[0] - shares[1]).sum(axis=1) / 2,
    )
