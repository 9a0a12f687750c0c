"""One quantity through the layers, a line for each k, named at its end."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.figures.labels import digits
from olmoe_viz.figures.plot import Axis, Line, Note, Plot, Rule, layer_axis, ticks

_INKS = ("accent", "ink", "muted")
_APART = 0.11  # least distance of two names, a share of the height


def figure(
    values: NDArray[np.float64],
    *,
    names: Sequence[str],
    quantity: str,
    layer: int | None = None,
) -> Plot:
    """Lines over the layers from 0 to 1; the first carries the accent, the second the ink.

    Args:
        values: [series, layers], shares of 1.
        names: one name a series, written at the end of its line.
        quantity: name of the vertical axis.
        layer: the selected layer, marked by a thin line and filled dots.
    """
    layers = values.shape[1]
    lines = [
        Line(
            list(range(layers)),
            row.tolist(),
            _ink(index),
            [f"{name}\nlayer {at}\n{quantity} {value:.3g}" for at, value in enumerate(row)],
            dots=[9 if at == layer else 5 for at in range(layers)],
            fills=[_ink(index) if at == layer else "paper" for at in range(layers)],
            dotted=index > 0,
        )
        for index, (row, name) in enumerate(zip(values, names, strict=True))
    ]
    return Plot(
        height=250,
        margin=(10, 64, 44, 52),
        x=(layer_axis(layers, 0.4),),
        y=Axis((0.0, 1.03), ticks(0, 1), quantity),
        marks=tuple(lines),
        rules=[] if layer is None else [Rule("x", layer, "line")],
        notes=_end_names(values, names),
    )


def describe(values: NDArray[np.float64], *, names: Sequence[str], quantity: str) -> str:
    """One sentence for a person who cannot see the lines."""
    parts = [
        f"{name} from {digits(float(row[0]))} in layer 0 to {digits(float(row[-1]))} in layer "
        f"{len(row) - 1}, mean {digits(float(row.mean()))}"
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
