"""Vectors as strips: one row a vector, one cell a value, blue below zero and ochre above."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.figures.figure import Figure
from olmoe_viz.figures.labels import digits
from olmoe_viz.figures.marks import Axis, Cells, ColorBar, rounded, ticks
from olmoe_viz.figures.palette import DIVERGING, Theme

_ROW = 22


def figure(vectors: NDArray[np.float32], *, names: Sequence[str], theme: Theme = "light") -> Figure:
    """Draw vectors of equal width under one color scale, symmetric about zero.

    The scale ends at the 99.5th percentile of the sizes, so that one huge value does not blanch
    the rest; what lies beyond has the end color, and its own number on hover.

    Args:
        vectors: [rows, values].
        names: one name a row, at its left.
        theme: the theme on the screen.
    """
    rows, width = vectors.shape
    reach = float(np.quantile(np.abs(vectors), 0.995)) or 1.0
    ends = [(-reach, f"−{digits(reach)}"), (0.0, "0"), (reach, digits(reach))]
    return Figure(
        alt=_sentence(vectors, names=names),
        height=62 + _ROW * max(rows, 2),
        margin=(6, 76, 44, 14 + 8 * max(map(len, names))),
        x=(
            Axis(
                (-0.5, width - 0.5),
                ticks(0, width - 1, 8),
                "index of the value",
                bare=True,
            ),
        ),
        y=Axis((rows - 0.5, -0.5), list(enumerate(names)), bare=True, number=True),
        marks=(
            Cells(
                rounded(vectors),
                first=(0, 0),
                scale=DIVERGING[theme],
                span=(-reach, reach),
                gaps=(0, 3),
                hover=f"index {{column}} of {width}\nvalue {{value}}",
                numbers=("vector", "index", "value"),
                rows=names,
            ),
        ),
        bar=ColorBar(DIVERGING[theme], (-reach, reach), ends),
        theme=theme,
    )


def _sentence(vectors: NDArray[np.float32], *, names: Sequence[str]) -> str:
    """One sentence for a person who cannot see the strips."""
    norms = np.linalg.norm(vectors.astype(np.float64), axis=1)
    shown = ", ".join(
        f"{name} {digits(float(norm))}" for name, norm in zip(names, norms, strict=True)
    )
    return f"Strips of {vectors.shape[1]} values each. Lengths of the vectors: {shown}."
