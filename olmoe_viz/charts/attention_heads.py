"""Where each attention head of one token looks: heads down, earlier tokens across."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from olmoe_viz.charts.labels import digits
from olmoe_viz.charts.palette import INKS, SEQUENTIAL, Theme, colorscale
from olmoe_viz.charts.theme import color_bar, template
from olmoe_viz.charts.token_axis import token_axis


def figure(weights: NDArray[np.float32], *, tokens: Sequence[str], theme: Theme) -> go.Figure:
    """Draw the mean over the heads as the first row, then one row a head.

    Args:
        weights: [heads, positions], attention of one token to itself and those before it; each
            row sums to 1.
        tokens: one name for each token of the prompt; places after the last weight stay empty,
            because no head can see them.
        theme: the theme on the screen.
    """
    heads, positions = weights.shape
    look = {
        "type": "heatmap",
        "x": np.arange(positions),
        "coloraxis": "coloraxis",
        "xgap": 1 if positions <= 128 else 0,
        "ygap": 1,
    }
    return go.Figure(
        data=[
            look
            | {
                "z": weights.mean(axis=0, keepdims=True),
                "y": [-2],
                "hovertemplate": "mean<br>position %{x}<br>attention %{z:.3g}<extra></extra>",
            },
            look
            | {
                "z": weights,
                "y": np.arange(heads),
                "hovertemplate": "head %{y}<br>position %{x}<br>attention %{z:.3g}<extra></extra>",
            },
        ],
        layout={
            "template": template(theme),
            "autosize": True,
            "height": 70 + 17 * (heads + 2),
            "margin": {"t": 6, "b": 34},
            "coloraxis": {
                "colorscale": colorscale(SEQUENTIAL[theme]),
                "cmin": 0,
                "cmax": max(float(weights.max()), 1e-6),
                "colorbar": color_bar(theme, "attention") | {"nticks": 4, "tickformat": ".2~g"},
            },
            "xaxis": token_axis(tokens)
            | {"showline": False, "automargin": True, "range": [-0.5, len(tokens) - 0.5]},
            "yaxis": {
                "title": {"text": "head"},
                "range": [heads - 0.5, -2.6],
                "tickvals": [-2, *range(heads)],
                "ticktext": ["mean", *map(str, range(heads))],
                "tickfont": {"color": INKS[theme].muted, "size": 12},
                "ticks": "",
                "showline": False,
            },
        },
    )


def describe(weights: NDArray[np.float32], *, tokens: Sequence[str]) -> str:
    """One sentence for a person who cannot see the heatmap."""
    mean = weights.mean(axis=0)
    best = int(mean.argmax())
    sharpest = int(weights.max(axis=1).argmax())
    goal = int(weights[sharpest].argmax())
    return (
        f"Heatmap of {len(weights)} heads by {weights.shape[1]} positions. The mean over the heads "
        f"is largest, {digits(float(mean[best]))}, at position {best}, {tokens[best]!r}; head "
        f"{sharpest} is the most decided, with {digits(float(weights[sharpest, goal]))} at "
        f"position {goal}."
    )
