"""A greedy search, step by step: how far the likeliest token is still ahead of all others."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.figures.figure import Figure
from olmoe_viz.figures.labels import expert_name, number, shorten, visible
from olmoe_viz.figures.marks import HOLLOW, Axis, Bars, Rule, around_zero, ticks
from olmoe_viz.figures.palette import Theme

BEFORE = "as it was"
_AHEAD = "ahead of all others, nats"


def figure(
    margins: NDArray[np.float64],
    *,
    members: Sequence[tuple[int, int]],
    kept: Sequence[bool],
    tops: Sequence[str],
    theme: Theme = "light",
) -> Figure:
    """Draw a bar for the run as it was and one for each expert that is taken besides.

    Args:
        margins: [steps + 1], the logit of the run's likeliest token less the largest other one.
        members: layer and expert taken in each step.
        kept: whether the flip needs it; the bars of the others are hollow.
        tops: the likeliest token, [steps + 1].
        theme: the theme on the screen.
    """
    names = [BEFORE, *(expert_name(expert, layer) for layer, expert in members)]
    needed = [True, *kept]
    span = around_zero(margins.tolist(), 0.12)
    return Figure(
        alt=_sentence(margins, names=names, tops=tops),
        height=270,
        margin=(20, 16, 74, 62),
        x=(
            Axis(
                (-0.7, len(names) - 0.3),
                list(enumerate(names)),
                "switched off, one after the other",
                number=True,
            ),
        ),
        y=Axis(span, ticks(*span), _AHEAD),
        marks=(
            Bars(
                at=list(range(len(names))),
                low=0,
                high=margins.tolist(),
                width=0.6,
                fills=["ink" if each else HOLLOW for each in needed],
                outlines=["ink"] * len(names),
                hover=[
                    _hover(at, name, margin, top, needed=need)
                    for at, (name, margin, top, need) in enumerate(
                        zip(names, margins.tolist(), tops, needed, strict=True)
                    )
                ],
                names=[shorten(visible(top), 8) for top in tops],
                numbers={
                    "step": list(range(len(names))),
                    "switched off besides": ["", *names[1:]],
                    _AHEAD: margins.tolist(),
                    "likeliest token": list(map(visible, tops)),
                    "needed": ["yes" if each else "no" for each in needed],
                },
            ),
        ),
        rules=[Rule("y", 0, "line")],
        theme=theme,
    )


def _hover(at: int, name: str, margin: float, top: str, *, needed: bool) -> str:
    head = name if at == 0 else f"step {at}: without expert {name} too"
    tail = "" if needed else "\nnot needed in the end"
    return f"{head}\n{_AHEAD} {number(margin)}\nlikeliest token ‘{visible(top)}’{tail}"


def _sentence(margins: NDArray[np.float64], *, names: Sequence[str], tops: Sequence[str]) -> str:
    """One sentence for a person who cannot see the bars."""
    steps = "; ".join(
        f"without {name} too {number(margin)}"
        for name, margin in zip(names[1:], margins[1:].tolist(), strict=True)
    )
    return (
        f"Bars of how far ‘{visible(tops[0])}’ is ahead of all other tokens in {len(names) - 1} "
        f"steps, in nats: {number(float(margins[0]))} as it was; {steps}. In the end "
        f"‘{visible(tops[-1])}’ is the likeliest."
    )
