"""One quantity over k, small, made to stand beside its likes; the trained k is marked."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.figures.figure import Figure
from olmoe_viz.figures.labels import digits, metric
from olmoe_viz.figures.marks import Axis, Line, Note, Numbers, ticks
from olmoe_viz.figures.palette import Theme

Floats = NDArray[np.float64]


def figure(
    ks: Sequence[int],
    values: Floats,
    *,
    quantity: str,
    trained_k: int,
    spread: tuple[Floats, Floats] | None = None,
    theme: Theme = "light",
) -> Figure:
    """A line over k on a doubling axis, from zero.

    Args:
        ks: experts per token, rising.
        values: [ks].
        quantity: name and unit, written above.
        trained_k: the k that is marked.
        spread: the smallest and the largest of what each value is the middle of, [ks] each.
        theme: the theme on the screen.
    """
    low, high = spread or (values, values)
    top = float(high.max() or 1.0)
    words = [
        f"k = {k}\n{quantity} {digits(float(value))}"
        + f"\n{digits(float(least))} to {digits(float(most))}" * (spread is not None)
        for k, value, least, most in zip(ks, values, low, high, strict=True)
    ]
    line = Line(
        list(ks),
        values.tolist(),
        "ink",
        words,
        width=1.75,
        dots=[7] * len(ks),
        fills=["paper"] * len(ks),
        spread=(low.tolist(), high.tolist()) if spread else None,
        numbers=_numbers(ks, values, quantity, spread),
    )
    trained = [
        Line([k], [float(value)], "accent", [said], width=0, dots=[10])
        for k, value, said in zip(ks, values, words, strict=True)
        if k == trained_k
    ]
    return Figure(
        alt=_sentence(ks, values, quantity=quantity),
        height=190,
        margin=(30, 10, 40, 46),
        x=(Axis((ks[0] / 1.15, ks[-1] * 1.15), [(k, str(k)) for k in ks], "k", log=True),),
        # Room below zero too, so that a dot there is whole.
        y=Axis((-0.07 * top, 1.08 * top), ticks(0, top, 4, metric)),
        marks=(line, *trained),
        notes=[Note(quantity, 0, 1, "xy", shift=(0, -14), color="ink")],
        theme=theme,
    )


def _numbers(
    ks: Sequence[int], values: Floats, quantity: str, spread: tuple[Floats, Floats] | None
) -> Numbers:
    numbers = {"k": list(ks), quantity: values.tolist()}
    if spread:
        numbers |= {
            f"least {quantity}": spread[0].tolist(),
            f"most {quantity}": spread[1].tolist(),
        }
    return numbers


def _sentence(ks: Sequence[int], values: NDArray[np.float64], *, quantity: str) -> str:
    """One sentence for a person who cannot see the line."""
    pairs = ", ".join(
        f"{digits(float(value))} at k = {k}" for k, value in zip(ks, values, strict=True)
    )
    return f"Line of {quantity} over k: {pairs}."
