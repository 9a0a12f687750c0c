"""The whole causal map of one attention head: the looking token down, the seen token across."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from olmoe_viz.charts.labels import digits
from olmoe_viz.charts.palette import INKS, SEQUENTIAL, Theme, colorscale
from olmoe_viz.charts.theme import color_bar, template
from olmoe_viz.charts.token_axis import token_axis


def figure(
    weights: NDArray[np.float32],
    *,
    tokens: Sequence[str],
    first: int = 0,
    token: int | None = None,
    theme: Theme,
) -> go.Figure:
    """Draw the weights on and below the diagonal; above it nothing can be seen.

    Args:
        weights: [tokens, tokens] of one head, from `first` on.
        tokens: their names.
        first: position of the first token shown.
        token: position of the selected token, its row outlined.
        theme: the theme on the screen.
    """
    count = len(weights)
    shown = np.where(np.tri(count, dtype=bool), weights, np.nan).astype(np.float32)
    places = np.arange(first, first + count)
    axis = token_axis(tokens, first=first) | {"showline": False, "automargin": True}
    chart = go.Figure(
        data=[
            {
                "type": "heatmap",
                "z": shown,
                "x": places,
                "y": places,
                "zmin": 0,
                "zmax": max(float(weights.max()), 1e-6),
                "hoverongaps": False,
                "colorscale": colorscale(SEQUENTIAL[theme]),
                "colorbar": color_bar(theme, "attention") | {"nticks": 4, "tickformat": ".2~g"},
                "hovertemplate": ("%{y} looks at %{x}<br>attention %{z:.3g}<extra></extra>"),
            }
        ],
        layout={
            "template": template(theme),
            "autosize": True,
            "height": min(120 + 20 * count, 720),
            "margin": {"l": 40, "t": 6, "b": 40},
            "xaxis": axis,
            "yaxis": axis | {"range": [first + count - 0.5, first - 0.5]},
        },
    )
    if token is not None and first <= token < first + count:
        chart.add_shape(
            type="rect",
            x0=first - 0.5,
            x1=token + 0.5,
            y0=token - 0.5,
            y1=token + 0.5,
            line={"color": INKS[theme].accent, "width": 2},
        )
    return chart


def describe(weights: NDArray[np.float32], *, head: int) -> str:
    """One sentence for a person who cannot see the map."""
    own = float(np.diagonal(weights).mean())
    first = float(weights[:, 0].mean())
    return (
        f"Causal attention map of head {head} over {len(weights)} tokens: on the mean a token "
        f"gives {digits(own)} to itself and {digits(first)} to the first token shown."
    )
