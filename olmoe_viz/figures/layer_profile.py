"""One quantity of one run over the layers: a small figure made to stand beside its likes."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from olmoe_viz.figures.labels import digits, safe
from olmoe_viz.figures.palette import INKS, Theme
from olmoe_viz.figures.plot import named_layers
from olmoe_viz.figures.theme import figure as blank


def figure(
    values: NDArray[np.float64],
    *,
    quantity: str,
    layer_ids: Sequence[int],
    high: float = 1.0,
    theme: Theme,
) -> go.Figure:
    """A line over the layers, filled to zero, its mean written at the upper right.

    Args:
        values: [layers].
        quantity: name and unit, for the hover text.
        layer_ids: the layers, counted over all blocks, [layers].
        high: upper end of the axis, the same in neighboring figures.
        theme: the theme on the screen.
    """
    inks = INKS[theme]
    chart = blank(theme, 150)
    chart.add_scatter(
        x=list(layer_ids),
        y=values,
        mode="lines",
        line={"color": inks.ink, "width": 1.75, "shape": "hvh"},
        fill="tozeroy",
        fillcolor=inks.panel,
        hovertemplate=f"layer %{{x}}<br>{safe(quantity)} %{{y:.3g}}<extra></extra>",
    )
    chart.add_annotation(
        x=1,
        y=1,
        xref="paper",
        yref="paper",
        xanchor="right",
        yanchor="bottom",
        text=f"mean {digits(float(values.mean()))}",
        showarrow=False,
        font={"size": 13, "color": inks.muted},
    )
    chart.update_xaxes(title_text="layer", tickvals=named_layers(layer_ids))
    chart.update_yaxes(range=[0, high * 1.02], nticks=3, tickformat=".3~g")
    chart.update_layout(margin={"l": 36, "r": 8, "t": 22, "b": 40})
    return chart


def describe(values: NDArray[np.float64], *, quantity: str, layer_ids: Sequence[int]) -> str:
    """One sentence for a person who cannot see the line."""
    low, top = int(values.argmin()), int(values.argmax())
    return (
        f"Line of {quantity} over {len(values)} layers: mean {digits(float(values.mean()))}, least "
        f"{digits(float(values[low]))} in layer {layer_ids[low]}, most "
        f"{digits(float(values[top]))} in layer {layer_ids[top]}."
    )
