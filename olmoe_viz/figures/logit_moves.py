"""How far each layer moves the logits of two tokens: two bars a layer, one filled, one hollow."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from olmoe_viz.figures.labels import digits, safe
from olmoe_viz.figures.palette import INKS, Theme
from olmoe_viz.figures.plot import named_layers
from olmoe_viz.figures.theme import figure as blank


def figure(
    moves: NDArray[np.float64],
    *,
    names: tuple[str, str],
    layer_ids: Sequence[int],
    theme: Theme,
) -> go.Figure:
    """Bars up for a token that gains, down for one that loses.

    Args:
        moves: [layers, 2], in logits.
        names: the two tokens, shown as they are.
        layer_ids: the layers, counted over all blocks, [layers].
        theme: the theme on the screen.
    """
    inks = INKS[theme]
    chart = blank(theme, 270)
    for index, (name, fill) in enumerate(zip(names, (inks.ink, "rgba(0,0,0,0)"), strict=True)):
        chart.add_bar(
            x=list(layer_ids),
            y=moves[:, index],
            marker={"color": fill, "line": {"color": inks.ink, "width": 1.25}},
            hovertemplate=(f"layer %{{x}}<br>logit of {safe(name)} %{{y:+.3g}}<extra></extra>"),
        )
    chart.add_annotation(
        text=f"■ {safe(names[0])}     □ {safe(names[1])}",
        x=1,
        xref="paper",
        xanchor="right",
        y=1,
        yref="paper",
        yanchor="bottom",
        showarrow=False,
        font={"size": 13, "color": inks.muted},
    )
    chart.update_xaxes(title_text="layer", tickvals=named_layers(layer_ids), ticks="")
    chart.update_yaxes(title_text="logits", zeroline=True, zerolinecolor=inks.line, nticks=5)
    chart.update_layout(barmode="group", bargap=0.25, bargroupgap=0.1, margin={"t": 28})
    return chart


def describe(
    moves: NDArray[np.float64], *, names: tuple[str, str], layer_ids: Sequence[int]
) -> str:
    """One sentence for a person who cannot see the bars."""
    parts = []
    for name, row in zip(names, moves.T, strict=True):
        most = int(np.abs(row).argmax())
        parts.append(
            f"{name} by {digits(float(row.sum()))} in all, most in layer {layer_ids[most]} with "
            f"{digits(float(row[most]))}"
        )
    return f"Bars of how far {len(moves)} layers move two logits: {'; '.join(parts)}."
