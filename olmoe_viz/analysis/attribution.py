"""What each part of a run adds to the logit of a token, directly; and where measuring disagrees."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.records.effects import Effects
from olmoe_viz.records.inspection import Inspection
from olmoe_viz.records.prediction import LogitDirections
from olmoe_viz.records.trace import Trace

Float64s = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ByLayer:
    """What is added to a logit above the mean of all logits; everything sums to it.

    `attention` and `experts` are float64 [blocks]; a block without experts counts its MLP there.
    """

    embedding: float
    attention: Float64s
    experts: Float64s

    @property
    def total(self) -> float:
        """The logit less the mean of all logits."""
        return self.embedding + float(self.attention.sum() + self.experts.sum())


@dataclass(frozen=True, eq=False)
class Compared:
    """What each expert of some cells adds directly, and what it does as measured, [experts] each.

    `direct` is to the logit of the run's likeliest token above the mean of all logits, `measured`
    by how much that token's log-probability falls without the expert, in nats. They are `opposite`
    where their signs differ and what was measured is outside the control's band, the 2.5th to the
    97.5th percentile of random directions. They are `far` apart where the expert's ranks by size
    differ by half of its cell's experts or more.
    """

    direct: Float64s
    measured: Float64s
    opposite: NDArray[np.bool_]
    far: NDArray[np.bool_]


def contributions(
    inspection: Inspection, directions: LogitDirections, row: int, which: int
) -> Float64s:
    """Return the direct contribution of each inspected expert to one logit, float64 [n].

    Weight * output * direction, with the weights of policy number `row` of the inspection and the
    logit of token id number `which` of the directions. An approximation: see `LogitDirections` for
    what it leaves out. Both records must be of the same token of the same run, ValueError if not.
    """
    return _along(inspection, directions, row, directions.directions[which])


def by_layer(run: Trace, directions: LogitDirections) -> ByLayer:
    """Return what everything adds to the logit of the first token id of the directions.

    `run` is their run, with its vectors; ValueError if it is not.
    """
    if run.request != directions.request.run or run.hidden_states is None:
        raise ValueError("The directions are not of this run.")
    assert run.attention_outputs is not None  # noqa: S101 - recorded with the hidden states
    token, towards = directions.request.token, directions.above_mean[0]
    after = run.hidden_states[:, token].astype(np.float64) @ towards
    attention = run.attention_outputs[:, token].astype(np.float64) @ towards
    return ByLayer(float(after[0]), attention, np.diff(after) - attention)


def compared(
    effects: Effects, inspections: Sequence[Inspection], directions: LogitDirections
) -> Compared:
    """Return both for all cells of the effects, cell by cell in the order of their experts.

    The other records are of the same token under the run's own policy, their first: an inspection
    for each cell. ValueError if not, and where controls are missing. Ranks are those in a cell.
    """
    if effects.random_changes is None or not effects.request.run == directions.request.run:
        raise ValueError("The effects are without controls, or not of the same run.")
    cells = [
        _of_cell(effects, cell, inspection, directions)
        for cell, inspection in zip(range(len(effects.kl)), inspections, strict=True)
    ]
    return Compared(
        direct=np.concatenate([each.direct for each in cells]),
        measured=np.concatenate([each.measured for each in cells]),
        opposite=np.concatenate([each.opposite for each in cells]),
        far=np.concatenate([each.far for each in cells]),
    )


def _of_cell(
    effects: Effects, cell: int, inspection: Inspection, directions: LogitDirections
) -> Compared:
    assert effects.random_changes is not None  # noqa: S101 - `compared` has looked
    layer, token = effects.request.cells[cell]
    if (inspection.request.layer, inspection.token) != (layer, token):
        raise ValueError("The inspections are not of the cells of the effects.")
    ran = effects.expert_ids[cell] >= 0
    added = _along(inspection, directions, 0, directions.above_mean[0])
    of_expert = dict(zip(inspection.ids.tolist(), added.tolist(), strict=True))
    direct = np.array([of_expert[expert] for expert in effects.expert_ids[cell][ran].tolist()])
    measured = -effects.logprob_changes[cell][ran]
    low, high = np.percentile(-effects.random_changes[cell][ran], [2.5, 97.5], axis=-1)
    beyond = (measured < low) | (measured > high)
    apart = np.abs(_places(direct) - _places(measured))
    return Compared(
        direct=direct,
        measured=measured,
        opposite=(direct * measured < 0) & beyond,
        far=(apart * 2 >= len(direct)) & (len(direct) > 2),
    )


def _along(
    inspection: Inspection, directions: LogitDirections, row: int, direction: Float64s
) -> Float64s:
    if (inspection.request.run, inspection.token) != (
        directions.request.run,
        directions.request.token,
    ):
        raise ValueError("The inspection and the directions are not of the same token of one run.")
    pushes = inspection.outputs.astype(np.float64) @ direction
    return np.asarray(inspection.weights[row] * pushes)


def _places(values: Float64s) -> NDArray[np.int64]:
    """Return each value's place among all by size, 0 for the largest."""
    places = np.empty(len(values), np.int64)
    places[np.argsort(-np.abs(values), kind="stable")] = np.arange(len(values))
    return places
