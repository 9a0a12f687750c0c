"""One quantity through the layers, a line for each k, named at its end."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.figures.figure import Figure
from olmoe_viz.figures.labels import digits
from olmoe_viz.figures.marks import Axis, Line, Note, Rule, layer_axis, ticks
from olmoe_viz.figures.palette import Theme

_INKS = ("accent", "ink", "muted")
_APART = 0.11  # least distance of two names, a share of the height


def figure(
    values: NDArray[np.float64],
    *,
    names: Sequence[str],
    quantity: str,
    layer_ids: Sequence[int],
    layer: int | None = None,
    theme: Theme = "light",
) -> Figure:
    """Lines over the layers from 0 to 1; the first carries the accent, the second the ink.

    Args:
        values: [series, layers], shares of 1.
        names: one name a series, written at the end of its line.
        quantity: name of the vertical axis.
        layer_ids: the layers, counted over all blocks, [layers].
        layer: the selected one of them, marked by a thin line and filled dots.
        theme: the theme on the screen.
    """
    lines = [
        Line(
            list(layer_ids),
            row.tolist(),
            _ink(index),
            [
                f"{name}\nlayer {at}\n{quantity} {value:.3g}"
                for at, value in zip(layer_ids, row, strict=True)
            ],
            dots=[9 if at == layer else 5 for at in layer_ids],
            fills=[_ink(index) if at == layer else "paper" for at in layer_ids],
            dash="dot" if index else "solid",
            numbers={
                "line": [name] * len(layer_ids),
                "layer": list(layer_ids),
                quantity: row.tolist(),
            },
        )
        for index, (row, name) in enumerate(zip(values, names, strict=True))
    ]
    return Figure(
        alt=sentence(values, names=names, quantity=quantity, layer_ids=layer_ids),
        height=250,
        margin=(10, 64, 44, 52),
        x=(layer_axis(layer_ids, 0.4),),
        y=Axis((0.0, 1.03), ticks(0, 1), quantity),
        marks=tuple(lines),
        rules=[] if layer is None else [Rule("x", layer, "line")],
        notes=_end_names(values, names),
        theme=theme,
    )


def sentence(
    values: NDArray[np.float64], *, names: Sequence[str], quantity: str, layer_ids: Sequence[int]
) -> str:
    """One sentence for a person who cannot see the lines."""
    first, last = layer_ids[0], layer_ids[-1]
    parts = [
        f"{name} from {digits(float(row[0]))} in layer {first} to {digits(float(row[-1]))} in "
        f"layer {last}, mean {digits(float(row.mean()))}"
        for name, row in zip(names, values, strict=True)
    ]
    return f"Lines of {quantity} through the layers: " + "; ".join(parts) + "."


def _ink(series: int) -> str:
    return _INKS[min(series, 2)]


def _end_names(values: NDArray[np.float64], names: Sequence[str]) -> list[Note]:
    """Names at the right end, pushed apart when two lines end close together."""
    notes, last = [], -np.inf
    for index in np.argsort(values[:, -1], kind="stable").tolist():
        last = max(float(values[index, -1]), last + _APART)
        notes.append(Note(names[index], 1, last, "x", shift=(5, 0), color=_ink(index)))
    return notes
