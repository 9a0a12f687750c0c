"""Vectors as strips: one row a vector, one cell a value, blue below zero and ochre above."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from olmoe_viz.charts.labels import digits, safe
from olmoe_viz.charts.palette import DIVERGING, INKS, Theme, colorscale
from olmoe_viz.charts.theme import NUMBER_FONT, template

_ROW = 22


def figure(vectors: NDArray[np.float32], *, names: Sequence[str], theme: Theme) -> go.Figure:
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
    return go.Figure(
        data=[
            {
                "type": "heatmap",
                "z": vectors,
                "y": np.arange(rows),
                "zmin": -reach,
                "zmax": reach,
                "colorscale": colorscale(DIVERGING[theme]),
                "ygap": 3,
                "hovertemplate": "index %{x} of " + f"{width}<br>value %{{z:.4g}}<extra></extra>",
                "colorbar": {
                    "thickness": 8,
                    "outlinewidth": 0,
                    "tickvals": [-reach, 0, reach],
                    "ticktext": [f"−{digits(reach)}", "0", digits(reach)],
                    "tickfont": {"size": 13, "color": INKS[theme].muted},
                    "ticklen": 3,
                    "tickcolor": INKS[theme].line,
                },
            }
        ],
        layout={
            "template": template(theme),
            "autosize": True,
            "height": 62 + _ROW * max(rows, 2),
            "margin": {"l": 14 + 8 * max(map(len, names)), "t": 6, "b": 44, "r": 8},
            "xaxis": {"title": {"text": "index of the value"}, "nticks": 8, "showline": False},
            "yaxis": {
                "range": [rows - 0.5, -0.5],
                "tickvals": list(range(rows)),
                "ticktext": [safe(name) for name in names],
                "tickfont": {"family": NUMBER_FONT, "size": 13},
                "ticks": "",
                "showline": False,
            },
        },
    )


def describe(vectors: NDArray[np.float32], *, names: Sequence[str]) -> str:
    """One sentence for a person who cannot see the strips."""
    norms = np.linalg.norm(vectors.astype(np.float64), axis=1)
    shown = ", ".join(
        f"{name} {digits(float(norm))}" for name, norm in zip(names, norms, strict=True)
    )
    return f"Strips of {vectors.shape[1]} values each. Lengths of the vectors: {shown}."
