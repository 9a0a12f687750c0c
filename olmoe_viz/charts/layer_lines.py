"""One quantity through the layers, a line for each k, named at its end."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from olmoe_viz.charts.labels import digits, safe
from olmoe_viz.charts.palette import INKS, Theme
from olmoe_viz.charts.theme import figure as blank


def figure(
    values: NDArray[np.float64],
    *,
    names: Sequence[str],
    quantity: str,
    layer: int | None = None,
    span: tuple[float, float] = (0.0, 1.0),
    height: int = 250,
    theme: Theme,
) -> go.Figure:
    """Lines over the layers; the first series carries the accent, the second the ink.

    Args:
        values: [series, layers].
        names: one name a series, written at the end of its line.
        quantity: name and unit of the vertical axis.
        layer: the selected layer, marked by a thin line and filled dots.
        span: the range of the vertical axis, so that neighbors can share it.
        height: in pixels.
        theme: the theme on the screen.
    """
    inks = INKS[theme]
    layers, (low, high) = values.shape[1], span
    chart = blank(theme, height)
    if layer is not None:
        chart.add_vline(x=layer, line={"color": inks.line, "width": 1})
    for index, (row, name) in enumerate(zip(values, names, strict=True)):
        color = (inks.accent, inks.ink, inks.muted)[min(index, 2)]
        filled = [color if at == layer else inks.paper for at in range(layers)]
        chart.add_scatter(
            x=np.arange(layers),
            y=row,
            mode="lines+markers",
            line={"color": color, "width": 2, "dash": "solid" if index == 0 else "dot"},
            marker={
                "size": [9 if at == layer else 5 for at in range(layers)],
                "color": filled,
                "opacity": 1,  # plotly makes points of several sizes translucent
                "line": {"color": color, "width": 1.5},
            },
            hovertemplate=(
                f"{safe(name)}<br>layer %{{x}}<br>{safe(quantity)} %{{y:.3g}}<extra></extra>"
            ),
        )
    _end_labels(chart, values, names, span, theme)
    chart.update_xaxes(
        title_text="layer", tickvals=list(range(0, layers, 5)), range=[-0.4, layers - 0.6]
    )
    chart.update_yaxes(
        title_text=safe(quantity),
        range=[low, high + 0.03 * (high - low)],
        nticks=5,
        tickformat=".3~g",
    )
    chart.update_layout(margin={"r": 64, "t": 10})
    return chart


def describe(values: NDArray[np.float64], *, names: Sequence[str], quantity: str) -> str:
    """One sentence for a person who cannot see the lines."""
    parts = [
        f"{name} from {digits(float(row[0]))} in layer 0 to {digits(float(row[-1]))} in layer "
        f"{len(row) - 1}, mean {digits(float(row.mean()))}"
        for name, row in zip(names, values, strict=True)
    ]
    return f"Lines of {quantity} through the layers: " + "; ".join(parts) + "."


def _end_labels(
    chart: go.Figure,
    values: NDArray[np.float64],
    names: Sequence[str],
    span: tuple[float, float],
    theme: Theme,
) -> None:
    """Names at the right end, pushed apart when two lines end close together."""
    inks = INKS[theme]
    gap = 0.11 * (span[1] - span[0])
    last = -np.inf
    for index in np.argsort(values[:, -1], kind="stable"):
        height = max(float(values[index, -1]), last + gap)
        last = height
        chart.add_annotation(
            x=1,
            xref="paper",
            xanchor="left",
            xshift=4,
            y=height,
            text=safe(names[index]),
            showarrow=False,
            font={"size": 13, "color": (inks.accent, inks.ink, inks.muted)[min(index, 2)]},
        )
