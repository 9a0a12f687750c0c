"""How many bits per byte a change costs in each kind of text, as dots with their intervals."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.figures.figure import Figure
from olmoe_viz.figures.labels import number
from olmoe_viz.figures.marks import Axis, Line, Rule, around_zero, ticks
from olmoe_viz.figures.palette import Theme

_MORE = "bits per byte above the trained"


def figure(
    more: NDArray[np.float64],
    *,
    plain: NDArray[np.float64],
    kinds: Sequence[str],
    chosen: str = "",
    theme: Theme = "light",
) -> Figure:
    """Draw the mean of all kinds, then a dot a kind; above the line at zero it predicts worse.

    Args:
        more: value and ends of the 95 % interval of each kind, and last of their mean,
            [kinds + 1, 3], in bits per byte.
        plain: bits per byte as trained, [kinds + 1].
        kinds: their names, shown as they are.
        chosen: the kind in the accent.
        theme: the theme on the screen.
    """
    order = [len(kinds), *range(len(kinds))]
    names = ["all kinds", *kinds]
    values, low, high = more[order].T.tolist()
    before = plain[order].tolist()
    span = around_zero([*low, *high], 0.06)
    hover = [
        f"{name}\n{number(value, '+.3g')} bits per byte ({number(one, '+.3g')} to "
        f"{number(other, '+.3g')})\n{number(was + value, '.3g')} after {number(was, '.3g')}"
        for name, value, one, other, was in zip(names, values, low, high, before, strict=True)
    ]

    def dots(places: list[int], color: str, size: float) -> Line:
        return Line(
            [float(at) for at in places],
            [values[at] for at in places],
            color,
            [hover[at] for at in places],
            width=0,
            dots=[size] * len(places),
            spread=([low[at] for at in places], [high[at] for at in places]),
            numbers={
                "kind of text": [names[at] for at in places],
                _MORE: [values[at] for at in places],
                "low": [low[at] for at in places],
                "high": [high[at] for at in places],
                "bits per byte as trained": [before[at] for at in places],
            },
        )

    here = [at for at, name in enumerate(names) if name == chosen]
    others = [at for at in range(1, len(names)) if at not in here]
    return Figure(
        alt=_sentence(names, values),
        height=300,
        margin=(12, 16, 72, 62),
        x=(Axis((-0.7, len(names) - 0.3), list(enumerate(names))),),
        y=Axis(span, ticks(*span), _MORE),
        marks=tuple(
            dots(places, color, size)
            for places, color, size in (([0], "ink", 10), (others, "ink", 6), (here, "accent", 8))
            if places
        ),
        rules=[Rule("y", 0, "line")],
        theme=theme,
    )


def _sentence(names: Sequence[str], values: Sequence[float]) -> str:
    """One sentence for a person who cannot see the dots."""
    said = ", ".join(
        f"{name} {number(value, '+.3g')}" for name, value in zip(names, values, strict=True)
    )
    return f"Dots of the {_MORE}: {said}."
