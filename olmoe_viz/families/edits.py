"""Interventions as numbers for each expert: the one form that the pass and all kernels read."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from olmoe_viz.interventions import LOST_MASS, Intervention, LostMass, most_experts

# Bits of the marks: it cannot be chosen; it is chosen, first of all; besides; it weighs nothing.
BARRED, FORCED, ADDED, OFF = 1, 2, 4, 8
_MARKS = {"route_around": BARRED, "force": FORCED, "add": ADDED, "off": OFF}

# What acts on one token, and the rule for lost mass.
Cell = tuple[tuple[Intervention, ...], LostMass]


class Coded(NamedTuple):
    """What acts on one token in one layer, for each expert: [experts].

    `bias` float32 is added to the router logit, `marks` uint8 are the bits above, and `targets`
    int16 say which expert has the weight in the end: itself, or that of a swap.
    """

    bias: NDArray[np.float32]
    marks: NDArray[np.uint8]
    targets: NDArray[np.int16]


@dataclass(frozen=True, eq=False)
class Edits:
    """What acts on the tokens of a pass in one layer, as tensors on its device.

    [tokens or 1, experts] each, and `mass` int64 [tokens or 1, 1], an index into `LOST_MASS`;
    `targets` is int64, the others but `bias` are bool. None where nobody asks for it. `most` is the
    most experts of a token.
    """

    mass: Tensor
    most: int
    bias: Tensor | None = None
    barred: Tensor | None = None
    forced: Tensor | None = None
    added: Tensor | None = None
    off: Tensor | None = None
    targets: Tensor | None = None


def coded(interventions: Sequence[Intervention], layer: int, experts: int) -> Coded:
    """Return what interventions on a token do in a layer, counted over all blocks."""
    bias, marks = np.zeros(experts, np.float32), np.zeros(experts, np.uint8)
    targets = np.arange(experts, dtype=np.int16)
    for each in interventions:
        chosen = list(each.experts)
        if not each.acts_in(layer):
            continue
        if each.what == "bias":
            bias[chosen] += each.amount
        elif each.to is not None:
            targets[chosen] = each.to
        elif each.what == "keep_only":
            marks[np.setdiff1d(np.arange(experts), chosen)] |= BARRED
        else:
            marks[chosen] |= _MARKS[each.what]
    return Coded(bias, marks, targets)


class Tables(NamedTuple):
    """What acts on the tokens of a step in every layer: arrays that a compiled step reads.

    `places` int64 [tokens, layers of experts] says which row of the tables `bias`, `marks` and
    `targets`, [rows, experts] each as in `Coded`, acts on a token; -1 for nothing. `masses` int64
    [tokens] are indices into `LOST_MASS`.
    """

    places: NDArray[np.int64]
    masses: NDArray[np.int64]
    bias: NDArray[np.float32]
    marks: NDArray[np.uint8]
    targets: NDArray[np.int16]


def tables_of(cells: Sequence[Cell], layer_ids: Sequence[int], experts: int) -> Tables:
    """Return what acts on each of some tokens."""
    rows, found = [coded((), 0, experts)], dict[tuple[Cell, int], int]()
    places = np.full((len(cells), len(layer_ids)), -1)
    for token, cell in enumerate(cells):
        for at, layer in enumerate(layer_ids if cell[0] else ()):
            if not any(each.acts_in(layer) for each in cell[0]):
                continue
            if (cell, layer) not in found:
                found[cell, layer] = len(rows)
                rows.append(coded(cell[0], layer, experts))
            places[token, at] = found[cell, layer]
    masses = np.array([LOST_MASS.index(mass) for _, mass in cells])
    return Tables(places, masses, *(np.stack(each) for each in zip(*rows, strict=True)))


@lru_cache(maxsize=1024)
def edits_of(
    cells: tuple[Cell, ...], layer: int, experts: int, k: int, device: torch.device
) -> Edits | None:
    """Return what acts on each of some tokens in a layer of up to `k` experts; None for nothing.

    Cells that are all alike share one row for any number of tokens.
    """
    if not any(each.acts_in(layer) for cell, _ in cells for each in cell):
        return None
    apart = cells[:1] if len(set(cells)) == 1 else cells
    by_cell = {cell: coded(cell[0], layer, experts) for cell in set(apart)}
    stacked = Coded(*map(np.stack, zip(*(by_cell[cell] for cell in apart), strict=True)))
    return edits_from(
        stacked,
        [LOST_MASS.index(mass) for _, mass in apart],
        max(most_experts(cell, layer, k, experts) for cell, _ in by_cell),
        device,
    )


def edits_from(stacked: Coded, masses: Sequence[int], most: int, device: torch.device) -> Edits:
    """Return what acts on tokens from its numbers, [tokens, experts] each, as tensors."""
    bias, marks, targets = stacked

    def marked(bit: int) -> Tensor | None:
        found = (marks & bit) > 0
        return torch.from_numpy(found).to(device) if found.any() else None

    moved = (targets != np.arange(targets.shape[-1])).any()
    return Edits(
        mass=torch.tensor(masses, device=device).unsqueeze(1),
        most=most,
        bias=torch.from_numpy(bias).to(device) if bias.any() else None,
        barred=marked(BARRED),
        forced=marked(FORCED),
        added=marked(ADDED),
        off=marked(OFF),
        targets=torch.from_numpy(targets.astype(np.int64)).to(device) if moved else None,
    )
