"""What was measured, for the questions that are guessed first.

Every figure is computed from the trace on the screen or read from the recorded tables. Draws
nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.figures.labels import k_is
from olmoe_viz.numerics import routing
from olmoe_viz.ui.quality import tables
from olmoe_viz.ui.texts import tour as texts

if TYPE_CHECKING:
    import pandas as pd

_MASS_BOUNDS = (0.25, 0.5, 0.75)
_TIMES_BOUNDS = (2.0, 4.0, 6.0)


@dataclass(frozen=True)
class Answer:
    """The options that the measurement agrees with, and the measurement in a sentence."""

    right: tuple[str, ...]
    sentence: str


def mass(router_logits: NDArray[np.float32], expert_ids: NDArray[np.int16]) -> Answer:
    """Mean retained mass of a trace of one k.

    From its router logits [layers, tokens, experts] and the experts that ran [layers, tokens, k].
    """
    kept = routing.mass(routing.probabilities(router_logits), expert_ids)
    mean = float(kept.mean())
    return Answer(
        (_option("mass", mean, _MASS_BOUNDS),),
        texts.mass(expert_ids.shape[-1], mean, float(kept.min()), float(kept.max())),
    )


def domains(table: "pd.DataFrame") -> Answer:
    """The greatest share of a domain over chance, from the table of experts.

    A row is an expert with its layer, its id and its share of each domain. In a layer the shares
    of a domain sum to k, so chance is their mean (arXiv 2409.02060, equation 7).
    """
    names = list(table.columns[2:])
    shares = table[names].to_numpy(dtype=np.float64)
    chance = float(shares.mean())
    row, column = np.unravel_index(int(shares.argmax()), shares.shape)
    best = float(shares[row, column])
    layer, expert = (int(table[name].iloc[row]) for name in ("layer", "expert"))
    return Answer(
        (_option("domains", best / chance, _TIMES_BOUNDS),),
        texts.preference(layer, expert, best, tables.readable(names[column]), chance),
    )


def quality(table: "pd.DataFrame") -> Answer:
    """The ks with the fewest bits per byte over all domains, from the table of quality.

    More than one is right where their values lie within each other's 95% intervals.
    """
    rows = table[(table["domain"] == tables.ALL) & (table["weighting"] == "native")]
    rows = rows.sort_values("k")
    ks = [int(k) for k in rows["k"]]
    values = tables.lines(rows)["native"]
    best = tables.equal_to_best(ks, values)
    bits = dict(zip(ks, values[0].tolist(), strict=True))
    return Answer(tuple(k_is(k) for k in best), texts.bits_per_byte(bits, best))


TABLES: Mapping[str, tuple[str, Callable[["pd.DataFrame"], Answer]]] = {
    "domains": ("experts", domains),
    "quality": ("quality", quality),
}


def _option(question: str, value: float, bounds: Sequence[float]) -> str:
    return texts.QUESTIONS[question].options[int(np.searchsorted(bounds, value, side="right"))]
