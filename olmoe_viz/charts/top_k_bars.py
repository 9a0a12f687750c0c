"""The router's probabilities by rank: the top k filled, the others hollow, the cutoffs named.

The same figure as `router_bars`, made to be drawn again at every move.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.charts.palette import Theme, expert_color
from olmoe_viz.charts.plot import HOLLOW, Axis, Bars, Note, Plot, Rule, ticks
from olmoe_viz.charts.router_bars import cutoff_label, describe

__all__ = ["describe", "figure"]


def figure(
    probabilities: NDArray[np.float64], *, k: int, marks: Sequence[int], theme: Theme
) -> Plot:
    """Draw bars of all experts by falling probability.

    Args:
        probabilities: [experts], softmax of the router logits; sums to 1.
        k: the cutoff in force; its bars are filled and its line is drawn in the accent.
        marks: further cutoffs to draw, each labelled with the mass it retains.
        theme: the theme on the screen.
    """
    count = len(probabilities)
    ids = np.argsort(-probabilities, kind="stable")
    ordered = probabilities[ids]
    masses = np.cumsum(ordered).tolist()
    colors = [expert_color(expert, theme) for expert in ids.tolist()]
    cuts = sorted({m for m in (*marks, k) if 1 <= m <= count})
    span = (0.0, float(ordered[0]) * (1.12 + 0.05 * len(cuts)))
    bars = Bars(
        at=list(range(1, count + 1)),
        low=0,
        high=ordered.tolist(),
        width=0.82,
        fills=[color if at < k else HOLLOW for at, color in enumerate(colors)],
        outlines=colors,
        hover=[
            f"expert {expert} · rank {at + 1}\nprobability {ordered[at]:.3g}"
            f"\nmass up to this rank {masses[at]:.3g}"
            for at, expert in enumerate(ids)
        ],
        names=[str(expert) for expert in ids],
    )
    named = [(max(1, at), str(max(1, at))) for at in range(0, count + 1, 8)]
    return Plot(
        height=340,
        margin=(16, 16, 44, 52),
        x=(Axis((0.3, count + 0.9), named, "rank of the expert (its id above, if there is room)"),),
        y=Axis(span, ticks(*span), "router probability"),
        marks=(bars,),
        rules=[
            Rule(
                "x",
                cut + 0.5,
                "accent" if cut == k else "muted",
                width=2 if cut == k else 1,
                dotted=cut != k,
                reach=1 - 0.085 * step,
            )
            for step, cut in enumerate(cuts)
        ],
        notes=[
            _words(cut, masses[cut - 1], height=1 - 0.085 * step, k=k, experts=count)
            for step, cut in enumerate(cuts)
        ],
    )


def _words(cut: int, mass: float, *, height: float, k: int, experts: int) -> Note:
    """The label of a cutoff, on the side where there is room."""
    left = cut < 0.6 * experts
    return Note(
        cutoff_label(cut, mass),
        cut + 0.5,
        height,
        paper="y",
        anchor="start" if left else "end",
        shift=(6 if left else -6, 9),
        color="accent" if cut == k else "muted",
        size=14 if cut == k else 13,
        bold=cut == k,
    )
