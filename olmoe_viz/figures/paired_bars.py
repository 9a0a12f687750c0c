"""Two signed numbers for each of some things, as two bars, and a mark where they disagree."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.figures.figure import Figure
from olmoe_viz.figures.labels import number
from olmoe_viz.figures.marks import (
    HOLLOW,
    Axis,
    Bars,
    Note,
    Numbers,
    Rule,
    around_zero,
    ticks,
)
from olmoe_viz.figures.palette import Theme

_WIDTH, _ASIDE = 0.34, 0.19  # of a bar, and of two bars from their place


def figure(
    values: NDArray[np.float64],
    *,
    things: Sequence[str],
    title: str,
    names: tuple[str, str],
    quantity: str,
    signs: Sequence[str] = (),
    theme: Theme = "light",
) -> Figure:
    """Draw two bars a thing, up for what raises and down for what lowers.

    Args:
        values: [2, things].
        things: what they are called, below the bars.
        title: what they are.
        names: what the filled and the hollow bars are.
        quantity: of both, with its unit.
        signs: stands above the pair of a thing, or "".
        theme: the theme on the screen.
    """
    count = len(things)
    span = around_zero(values.ravel().tolist(), 0.14)
    shown = list(signs) or [""] * count
    return Figure(
        alt=_sentence(values, things=things, names=names, quantity=quantity, signs=shown),
        height=270,
        margin=(28, 16, 46, 62),
        x=(Axis((-0.7, count - 0.3), list(enumerate(things)), title, number=True),),
        y=Axis(span, ticks(*span), quantity),
        marks=pair(
            range(count),
            values,
            hover=[
                [
                    f"{title} {thing}\n{name} {number(value, '+.3g')}"
                    + (f"\n{sign}" if sign else "")
                    for thing, value, sign in zip(things, row.tolist(), shown, strict=True)
                ]
                for name, row in zip(names, values, strict=True)
            ],
            numbers=[
                {
                    title: list(things),
                    "which": [name] * count,
                    quantity: row.tolist(),
                    "mark": shown,
                }
                for name, row in zip(names, values, strict=True)
            ],
        ),
        rules=[Rule("y", 0, "line")],
        notes=[
            key(names),
            *(
                Note(
                    sign, at, max(float(values[:, at].max()), 0.0), anchor="middle", shift=(0, -10)
                )
                for at, sign in enumerate(shown)
                if sign
            ),
        ],
        theme=theme,
    )


def pair(
    places: Sequence[int],
    values: NDArray[np.float64],
    *,
    hover: Sequence[Sequence[str]],
    numbers: Sequence[Numbers],
) -> tuple[Bars, ...]:
    """Return the filled and the hollow bars of `values` [2, n], beside each other at each place."""
    count = len(places)
    return tuple(
        Bars(
            at=[place + aside for place in places],
            low=0,
            high=row.tolist(),
            width=_WIDTH,
            fills=[fill] * count,
            outlines=["ink"] * count,
            hover=words,
            numbers=table,
        )
        for fill, aside, row, words, table in zip(
            ("ink", HOLLOW), (-_ASIDE, _ASIDE), values, hover, numbers, strict=True
        )
    )


def key(names: tuple[str, str]) -> Note:
    """Return what says which bars are filled and which hollow."""
    return Note(f"■ {names[0]}     □ {names[1]}", 1, 1, "xy", anchor="end", shift=(0, -10))


def _sentence(
    values: NDArray[np.float64],
    *,
    things: Sequence[str],
    names: tuple[str, str],
    quantity: str,
    signs: Sequence[str],
) -> str:
    """One sentence for a person who cannot see the bars."""
    parts = []
    for name, row in zip(names, values, strict=True):
        most = int(np.abs(row).argmax())
        parts.append(f"{name} most at {things[most]}, {number(float(row[most]), '+.3g')}")
    marked = [f"{sign} at {thing}" for sign, thing in zip(signs, things, strict=True) if sign]
    tail = f"; marked {', '.join(marked)}" if marked else ""
    return f"Bars of the {quantity} of {len(things)}: {'; '.join(parts)}{tail}."
