"""One number for each expert that ran in a cell, as bars, and the band of a control about it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.figures.expert_colors import expert_color
from olmoe_viz.figures.figure import Figure
from olmoe_viz.figures.labels import digits, expert_id, expert_name, shorten, visible
from olmoe_viz.figures.marks import Axis, Bars, Line, Mark, ticks
from olmoe_viz.figures.palette import Theme
from olmoe_viz.records.expert_uses import ExpertUses


def figure(
    values: NDArray[np.float64],
    *,
    ids: Sequence[int],
    layer: int,
    quantity: str,
    band: NDArray[np.float64] | None = None,
    new_tops: Sequence[str] = (),
    uses: ExpertUses | None = None,
    theme: Theme = "light",
) -> Figure:
    """Draw a bar an expert, in its color.

    Args:
        values: [experts], none below zero.
        ids: the experts' ids, in the order of the bars.
        layer: of the experts, counted over all blocks.
        quantity: what the values are, with their unit.
        band: [2, experts], the ends of the control's band, drawn as an upright line.
        new_tops: the token that is the likeliest without the expert, where it is another, else "";
            it stands at the bar.
        uses: what the experts are used for, for their colors.
        theme: the theme on the screen.
    """
    count = len(ids)
    colors = [expert_color(expert, layer, theme, uses) for expert in ids]
    names = [expert_name(expert, layer) for expert in ids]
    tops = [top and visible(top) for top in new_tops] or [""] * count
    ends = values if band is None else np.maximum(values, band[1])
    span = (0.0, max(float(ends.max()) * 1.12, 1e-9))
    marks: list[Mark] = [
        Bars(
            at=list(range(count)),
            low=0,
            high=values.tolist(),
            width=0.7,
            fills=colors,
            outlines=colors,
            hover=[
                f"expert {name}\n{quantity} {digits(value)}"
                + (f"\nwithout it ‘{top}’ is the likeliest next token" if top else "")
                for name, value, top in zip(names, values.tolist(), tops, strict=True)
            ],
            names=[shorten(top, 6) for top in tops],
            numbers={expert_id(layer): list(map(int, ids)), quantity: values.tolist()},
        )
    ]
    if band is not None:
        marks.append(_control(band, names))
    return Figure(
        alt=_sentence(values, names, quantity, band),
        height=250,
        margin=(20, 12, 46, 62),
        x=(
            Axis(
                (-0.7, count - 0.3),
                [(at, str(expert)) for at, expert in enumerate(ids)],
                expert_id(layer),
                number=True,
            ),
        ),
        y=Axis(span, ticks(*span), quantity),
        marks=tuple(marks),
        theme=theme,
    )


def _control(band: NDArray[np.float64], names: Sequence[str]) -> Line:
    low, high = band.tolist()
    return Line(
        [at + 0.2 for at in range(len(names))],
        high,
        "ink",
        [
            f"expert {name}\n95% of random directions change {digits(least)} to {digits(most)}"
            for name, least, most in zip(names, low, high, strict=True)
        ],
        width=0,
        dots=[3] * len(names),
        spread=(low, high),
        numbers={"control, 2.5%": low, "control, 97.5%": high},
    )


def _sentence(
    values: NDArray[np.float64],
    names: Sequence[str],
    quantity: str,
    band: NDArray[np.float64] | None,
) -> str:
    """One sentence for a person who cannot see the bars."""
    said = ", ".join(
        f"{name} {digits(value)}" for name, value in zip(names, values.tolist(), strict=True)
    )
    above = "" if band is None else f"; {int((values > band[1]).sum())} above the control's band"
    return f"Bars of the {quantity}: {said}{above}."
