"""The journey of one token: its strongest expert in every layer, and how strong it is."""

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from olmoe_viz.charts.labels import digits
from olmoe_viz.charts.palette import INKS, Theme, expert_color
from olmoe_viz.charts.theme import NUMBER_FONT
from olmoe_viz.charts.theme import figure as blank


def figure(
    probabilities: NDArray[np.float64], *, layer: int | None = None, theme: Theme
) -> go.Figure:
    """One bar a layer: the color and number of the strongest expert, its probability as height.

    Args:
        probabilities: [layers, experts] of one token.
        layer: the selected layer, outlined.
        theme: the theme on the screen.
    """
    inks = INKS[theme]
    layers = len(probabilities)
    best = probabilities.argmax(axis=1)
    heights = probabilities.max(axis=1)
    chart = blank(theme, 210)
    chart.add_bar(
        x=np.arange(layers),
        y=heights,
        marker={
            "color": [expert_color(int(e), theme) for e in best],
            "line": {
                "color": [inks.ink if at == layer else "rgba(0,0,0,0)" for at in range(layers)],
                "width": 2,
            },
        },
        text=[str(e) for e in best],
        textposition="outside",
        textfont={"family": NUMBER_FONT, "size": 12, "color": inks.ink},
        textangle=0,
        cliponaxis=False,
        customdata=best,
        hovertemplate="layer %{x}<br>expert %{customdata}<br>probability %{y:.3g}<extra></extra>",
    )
    chart.update_xaxes(
        title_text="layer", tickvals=list(range(0, layers, 5)), range=[-0.7, layers - 0.3]
    )
    chart.update_yaxes(
        title_text="probability", range=[0, float(heights.max()) * 1.2], nticks=4, tickformat=".2~f"
    )
    chart.update_layout(margin={"t": 10, "r": 64})
    return chart


def describe(probabilities: NDArray[np.float64]) -> str:
    """One sentence for a person who cannot see the bars."""
    best = probabilities.argmax(axis=1)
    top = int(probabilities.max(axis=1).argmax())
    return (
        f"The strongest expert of this token in layers 0 to {len(best) - 1}: "
        + ", ".join(str(e) for e in best)
        + f"; most decided in layer {top}, probability {digits(float(probabilities[top].max()))}."
    )
