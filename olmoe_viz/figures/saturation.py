"""When the routers settled in training: a thin line for each layer, a thick one for their mean."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from olmoe_viz.figures.palette import INKS, Theme
from olmoe_viz.figures.theme import figure as blank

Floats = NDArray[np.float64]


def figure(
    shares: Floats,
    saturation: Floats,
    *,
    chance: float,
    layer_ids: Sequence[int],
    theme: Theme,
) -> go.Figure:
    """Router saturation over training (arXiv 2409.02060, Eq. 5).

    Args:
        shares: how much of the training was done, 0 to 1, [checkpoints].
        saturation: share of the final top-k already chosen, 0 to 1, [checkpoints, layers].
        chance: what random choices would reach, k / experts.
        layer_ids: the layers, counted over all blocks, [layers].
        theme: the theme on the screen.
    """
    inks = INKS[theme]
    chart = blank(theme, 320)
    chart.add_hline(y=chance, line={"color": inks.line, "width": 1, "dash": "dot"})
    chart.add_annotation(
        x=1, xref="paper", xanchor="right", y=chance, yanchor="bottom", text="by chance",
        showarrow=False, font={"color": inks.muted},
    )  # fmt: skip
    for layer, values in zip(layer_ids, saturation.T, strict=True):
        chart.add_scatter(
            x=shares,
            y=values,
            mode="lines",
            line={"color": inks.line, "width": 1},
            hovertemplate=(
                f"layer {layer}<br>%{{x:.0%}} of the training<br>%{{y:.1%}} of the final choices"
                "<extra></extra>"
            ),
        )
    chart.add_scatter(
        x=shares,
        y=saturation.mean(1),
        mode="lines+markers",
        line={"color": inks.accent, "width": 2},
        marker={"size": 7, "color": inks.accent},
        hovertemplate=(
            "mean of the layers<br>%{x:.0%} of the training<br>%{y:.1%} of the final choices"
            "<extra></extra>"
        ),
    )
    chart.update_xaxes(title_text="training done", tickformat=".0%", range=[-0.02, 1.03])
    chart.update_yaxes(title_text="share of the final top-k", tickformat=".0%", range=[0, 1.04])
    return chart


def describe(shares: Floats, saturation: Floats) -> str:
    """One sentence for a person who cannot see the lines."""
    parts = [
        f"{mean:.0%} after {share:.0%}"
        for share, mean in zip(shares, saturation.mean(1), strict=True)
    ]
    return "Share of the final choices already made, mean of the layers: " + ", ".join(parts) + "."
