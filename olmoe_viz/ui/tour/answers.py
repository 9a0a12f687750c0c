"""What was measured, for the questions that are guessed first.

Every figure is computed from the trace on the screen or read from the recorded tables. Draws
nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.analysis.measured_effects import Measured
from olmoe_viz.figures.labels import expert_name, k_is, visible
from olmoe_viz.numerics import routing
from olmoe_viz.records.expert_uses import ExpertUses
from olmoe_viz.ui.quality import tables
from olmoe_viz.ui.texts import tour as texts
from olmoe_viz.ui.widgets.wording import plain

if TYPE_CHECKING:
    import pandas as pd

MATHEMATICS, STORIES = "LaTeX", "stories"
_ON_OFFER = (MATHEMATICS, STORIES, "Python", "French", "legal")
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


def mattered(found: Measured) -> Answer:
    """The experts without which the prediction changes most, of those of one cell."""
    names = [expert_name(int(each), int(found.layers[0])) for each in found.experts]
    most = int(found.kl.argmax())
    if found.kl[most] <= 0:
        return Answer(tuple(names), texts.nothing_mattered())
    right = tuple(name for name, kl in zip(names, found.kl, strict=True) if kl == found.kl[most])
    rank = 1 + int((found.weights > found.weights[most]).sum())
    new_top = plain(visible(found.new_tops[most])) if found.flips[most] else ""
    sentence = texts.mattered(
        names[most], float(found.kl[most]), rank, float(found.weights[most]), new_top
    )
    return Answer(right, sentence)


def by_share(uses: ExpertUses, layer: int) -> list[int]:
    """The experts of a layer that some kinds of text use most, by their share of LaTeX, falling."""
    offered = {uses.most_used(domain, layer, 1)[0] for domain in _ON_OFFER}
    shares = uses.by_domain[layer, :, uses.domains.index(MATHEMATICS)]
    return sorted(offered, key=lambda expert: -shares[expert])


def mathematics(uses: ExpertUses, layer: int) -> Answer:
    """Which of these experts gets most tokens of LaTeX."""
    best, other = by_share(uses, layer)[:2]
    shares, name = (
        uses.by_domain[layer, :, uses.domains.index(MATHEMATICS)],
        expert_name(best, layer),
    )
    sentence = texts.counted(name, float(shares[best]), float(shares.mean()), float(shares[other]))
    return Answer((name,), sentence)


TABLES: Mapping[str, tuple[str, Callable[["pd.DataFrame"], Answer]]] = {
    "domains": ("experts", domains),
    "quality": ("quality", quality),
}


def _option(question: str, value: float, bounds: Sequence[float]) -> str:
    return texts.QUESTIONS[question].options[int(np.searchsorted(bounds, value, side="right"))]
