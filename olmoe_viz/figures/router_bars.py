"""The router's probabilities of one token in one layer, with the cutoffs of several k marked.

Filled are the experts that ran, as recorded. The cutoffs of further ks are what these would choose
from the same probabilities.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.figures.expert_axis import expert_axis
from olmoe_viz.figures.expert_colors import expert_color
from olmoe_viz.figures.figure import Figure
from olmoe_viz.figures.labels import digits, expert_id, expert_name
from olmoe_viz.figures.marks import HOLLOW, Axis, Bars, Note, Rule, ticks
from olmoe_viz.figures.palette import Theme
from olmoe_viz.numerics import routing
from olmoe_viz.records.expert_uses import ExpertUses

Order = Literal["probability", "expert"]


def figure(
    probabilities: NDArray[np.float64],
    *,
    expert_ids: NDArray[np.int16],
    marks: Sequence[int] = (),
    order: Order = "probability",
    layer: int | None = None,
    uses: ExpertUses | None = None,
    theme: Theme = "light",
) -> Figure:
    """Bars of all experts: those that ran filled, the others hollow.

    Args:
        probabilities: [experts], softmax of the router logits; sums to 1.
        expert_ids: [largest k], the experts that ran, -1 for none; their cutoff is drawn in the
            accent.
        marks: further ks whose cutoffs are drawn; each is labelled with the mass it retains.
        order: falling probability, of equals the lower id first; or expert id.
        layer: of the experts, for their names.
        uses: what the experts are used for, for their colors.
        theme: the theme on the screen.
    """
    count = len(probabilities)
    ran, ranking = routing.used(expert_ids, count), routing.ranking(probabilities)
    ordered = probabilities[ranking]
    cuts = _cuts(ran, ranking, ordered, marks)
    span = (0.0, float(ordered[0]) * (1.12 + 0.05 * len(cuts)))
    by_rank = order == "probability"
    rules, notes = _upright_cuts(cuts, count) if by_rank else _level_cuts(cuts)
    return Figure(
        alt=_sentence(probabilities, expert_ids, layer),
        height=340,
        margin=(16, 16, 44, 52),
        x=(_ranks(count, layer) if by_rank else expert_axis(count, layer),),
        y=Axis(span, ticks(*span), "router probability"),
        marks=(_bars(probabilities, ranking, ran, by_rank, layer, theme, uses),),
        rules=rules,
        notes=notes,
        theme=theme,
    )


def _sentence(
    probabilities: NDArray[np.float64], expert_ids: NDArray[np.int16], layer: int | None
) -> str:
    """One sentence for a person who cannot see the bars; same arguments as `figure`."""
    best, ran = int(expert_ids[0]), routing.used(expert_ids, len(probabilities))
    return (
        f"Bar chart of {len(probabilities)} router probabilities: expert "
        f"{expert_name(best, layer)} leads with {digits(float(probabilities[best]))}, "
        f"and the top {ran.sum()} keep "
        f"{digits(float(probabilities[ran].sum()))} of the mass."
    )


@dataclass(frozen=True)
class _Cut:
    """Where the experts of one k end."""

    experts: int
    after: int  # the rank of the last of them, from 1
    level: float  # their least probability
    mass: float  # the sum of theirs
    in_force: bool = False  # whether they ran


def _cuts(
    ran: NDArray[np.bool_],
    ranking: NDArray[np.int64],
    ordered: NDArray[np.float64],
    marks: Sequence[int],
) -> list[_Cut]:
    """The cutoff of what ran, and of each further k; rising."""
    places = np.flatnonzero(ran[ranking])
    own = ordered[places]
    cuts = [_Cut(len(own), int(places[-1]) + 1, float(own[-1]), float(own.sum()), in_force=True)]
    cuts += [
        _Cut(k, k, float(ordered[k - 1]), float(ordered[:k].sum()))
        for k in set(marks)
        if 1 <= k <= len(ordered) and k != len(own)
    ]
    return sorted(cuts, key=lambda cut: cut.experts)


def _bars(
    probabilities: NDArray[np.float64],
    ranking: NDArray[np.int64],
    ran: NDArray[np.bool_],
    by_rank: bool,
    layer: int | None,
    theme: Theme,
    uses: ExpertUses | None,
) -> Bars:
    """One bar an expert, named by its id.

    In the order of ids only the chosen are named: the axis has all ids already, and the levels of
    the cutoffs would run through the words.
    """
    count = len(ranking)
    ranks, masses = np.argsort(ranking), np.cumsum(probabilities[ranking])
    ids = ranking if by_rank else np.arange(count)
    colors = [expert_color(expert, layer, theme, uses) for expert in ids.tolist()]
    chosen = ran[ids].tolist()
    return Bars(
        at=list(range(1, count + 1) if by_rank else range(count)),
        low=0,
        high=probabilities[ids].tolist(),
        width=0.82,
        fills=[color if used else HOLLOW for color, used in zip(colors, chosen, strict=True)],
        outlines=colors,
        hover=[
            f"expert {expert_name(expert, layer)} · rank {ranks[expert] + 1}"
            f"\nprobability {probabilities[expert]:.3g}"
            f"\nmass up to this rank {masses[ranks[expert]]:.3g}"
            + (f"\n{uses.words(expert, layer)}" if uses is not None and layer is not None else "")
            for expert in ids
        ],
        names=[
            str(expert) if by_rank or used else "" for expert, used in zip(ids, chosen, strict=True)
        ],
        numbers={
            expert_id(layer): ids.tolist(),
            "rank": (ranks[ids] + 1).tolist(),
            "router probability": probabilities[ids].tolist(),
            "mass up to this rank": masses[ranks[ids]].tolist(),
            "selected": chosen,
        },
    )


def _ranks(count: int, layer: int | None) -> Axis:
    named = [(max(1, at), str(max(1, at))) for at in range(0, count + 1, 8)]
    return Axis((0.3, count + 0.9), named, f"rank of the expert; above: {expert_id(layer)}")


def _upright_cuts(cuts: list[_Cut], count: int) -> tuple[list[Rule], list[Note]]:
    """Lines behind the last expert of each k, their labels stepping down so that none collide."""
    rules, notes = [], []
    for step, cut in enumerate(cuts):
        reach = 1 - 0.085 * step
        left = cut.after < 0.6 * count
        rules.append(_rule("x", cut.after + 0.5, cut.in_force, reach))
        notes.append(
            Note(
                _words(cut),
                cut.after + 0.5,
                reach,
                paper="y",
                anchor="start" if left else "end",
                shift=(6 if left else -6, 9),
                **_look(cut.in_force),
            )
        )
    return rules, notes


def _level_cuts(cuts: list[_Cut]) -> tuple[list[Rule], list[Note]]:
    """By expert id a cutoff is a level: the bars that reach it are chosen."""
    rules = [_rule("y", cut.level, cut.in_force) for cut in cuts]
    notes = [
        Note(_words(cut), 0.01 + at / len(cuts), 1, "xy", shift=(0, 9), **_look(cut.in_force))
        for at, cut in enumerate(cuts)
    ]
    return rules, notes


def _words(cut: _Cut) -> str:
    return f"top {cut.experts}: {digits(cut.mass)}"


def _rule(along: Literal["x", "y"], at: float, in_force: bool, reach: float = 1) -> Rule:
    color = "accent" if in_force else "muted"
    return Rule(along, at, color, width=1 + in_force, dotted=not in_force, reach=reach)


def _look(in_force: bool) -> dict[str, Any]:
    return {
        "color": "accent" if in_force else "muted",
        "size": 13 + in_force,
        "bold": in_force,
    }
