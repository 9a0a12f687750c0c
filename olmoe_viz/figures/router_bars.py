"""The router's probabilities of one token in one layer, with the cutoffs of several k marked."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.figures.labels import digits
from olmoe_viz.figures.palette import Theme, expert_color
from olmoe_viz.figures.plot import HOLLOW, Axis, Bars, Note, Plot, Rule, every, ticks

Order = Literal["probability", "expert"]


def figure(
    probabilities: NDArray[np.float64],
    *,
    k: int,
    marks: Sequence[int] = (8, 16, 32),
    order: Order = "probability",
    theme: Theme,
) -> Plot:
    """Bars of all experts: the top k filled, the others hollow.

    Args:
        probabilities: [experts], softmax of the router logits; sums to 1.
        k: the cutoff in force; its bars are filled and its line is drawn in the accent.
        marks: further cutoffs to draw, each labelled with the mass it retains.
        order: falling probability, or expert id.
        theme: the theme on the screen.
    """
    count = len(probabilities)
    ranking = np.argsort(-probabilities, kind="stable")
    ordered = probabilities[ranking]
    masses = np.cumsum(ordered)
    cuts = sorted({m for m in (*marks, k) if 1 <= m <= count})
    span = (0.0, float(ordered[0]) * (1.12 + 0.05 * len(cuts)))
    by_rank = order == "probability"
    rules, notes = (_upright_cuts if by_rank else _level_cuts)(cuts, k, ordered, masses)
    return Plot(
        height=340,
        margin=(16, 16, 44, 52),
        x=(_ranks(count) if by_rank else _ids(count),),
        y=Axis(span, ticks(*span), "router probability"),
        marks=(_bars(probabilities, ranking, masses, k, by_rank, theme),),
        rules=rules,
        notes=notes,
    )


def describe(probabilities: NDArray[np.float64], *, k: int) -> str:
    """One sentence for a person who cannot see the bars; same arguments as `figure`."""
    best = int(probabilities.argmax())
    kept = float(np.sort(probabilities)[::-1][:k].sum())
    return (
        f"Bar chart of {len(probabilities)} router probabilities: expert {best} leads with "
        f"{digits(float(probabilities[best]))}, and the top {k} keep {digits(kept)} of the mass."
    )


def _bars(
    probabilities: NDArray[np.float64],
    ranking: NDArray[np.int64],
    masses: NDArray[np.float64],
    k: int,
    by_rank: bool,
    theme: Theme,
) -> Bars:
    """One bar an expert, named by its id.

    In the order of ids only the chosen are named: the axis has all ids already, and the levels of
    the cutoffs would run through the words.
    """
    count = len(ranking)
    ranks = np.argsort(ranking)
    ids = ranking if by_rank else np.arange(count)
    colors = [expert_color(expert, theme) for expert in ids.tolist()]
    chosen = (ranks[ids] < k).tolist()
    return Bars(
        at=list(range(1, count + 1) if by_rank else range(count)),
        low=0,
        high=probabilities[ids].tolist(),
        width=0.82,
        fills=[color if used else HOLLOW for color, used in zip(colors, chosen, strict=True)],
        outlines=colors,
        hover=[
            f"expert {expert} · rank {ranks[expert] + 1}\nprobability {probabilities[expert]:.3g}"
            f"\nmass up to this rank {masses[ranks[expert]]:.3g}"
            for expert in ids
        ],
        names=[
            str(expert) if by_rank or used else "" for expert, used in zip(ids, chosen, strict=True)
        ],
    )


def _ranks(count: int) -> Axis:
    named = [(max(1, at), str(max(1, at))) for at in range(0, count + 1, 8)]
    return Axis((0.3, count + 0.9), named, "rank of the expert (its id above, if there is room)")


def _ids(count: int) -> Axis:
    return Axis((-0.7, count - 0.3), every(8, count), "expert id")


def _upright_cuts(
    cuts: list[int], k: int, ordered: NDArray[np.float64], masses: NDArray[np.float64]
) -> tuple[list[Rule], list[Note]]:
    """Lines behind the last expert of each k, their labels stepping down so that none collide."""
    rules, notes = [], []
    for step, cut in enumerate(cuts):
        reach = 1 - 0.085 * step
        left = cut < 0.6 * len(ordered)
        rules.append(_rule("x", cut + 0.5, cut == k, reach))
        notes.append(
            Note(
                _words(cut, masses),
                cut + 0.5,
                reach,
                paper="y",
                anchor="start" if left else "end",
                shift=(6 if left else -6, 9),
                **_look(cut == k),
            )
        )
    return rules, notes


def _level_cuts(
    cuts: list[int], k: int, ordered: NDArray[np.float64], masses: NDArray[np.float64]
) -> tuple[list[Rule], list[Note]]:
    """By expert id a cutoff is a level: the bars that reach it are chosen."""
    rules = [_rule("y", float(ordered[cut - 1]), cut == k) for cut in cuts]
    notes = [
        Note(_words(cut, masses), 0.01 + at / len(cuts), 1, "xy", shift=(0, 9), **_look(cut == k))
        for at, cut in enumerate(cuts)
    ]
    return rules, notes


def _words(cut: int, masses: NDArray[np.float64]) -> str:
    return f"top {cut}: {digits(float(masses[cut - 1]))}"


def _rule(along: Literal["x", "y"], at: float, in_force: bool, reach: float = 1) -> Rule:
    color = "accent" if in_force else "muted"
    return Rule(along, at, color, width=1 + in_force, dotted=not in_force, reach=reach)


def _look(in_force: bool) -> dict[str, Any]:
    return {
        "color": "accent" if in_force else "muted",
        "size": 13 + in_force,
        "bold": in_force,
    }
