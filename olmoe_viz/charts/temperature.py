"""How even the router's choice would be at other temperatures; the model uses 1."""

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from olmoe_viz.charts.labels import digits
from olmoe_viz.charts.palette import INKS, Theme
from olmoe_viz.charts.theme import template


def figure(
    temperatures: NDArray[np.float64],
    entropies: NDArray[np.float64],
    *,
    uniform: float,
    theme: Theme,
) -> go.Figure:
    """Entropy over temperature, temperature 1 and the entropy of an even choice marked.

    Args:
        temperatures: [points], rising, among them 1.
        entropies: [points], in nats, of softmax(logits / temperature).
        uniform: the natural logarithm of the number of experts.
        theme: the theme on the screen.
    """
    inks = INKS[theme]
    here = float(np.interp(1.0, temperatures, entropies))
    note = {"showarrow": False, "font": {"size": 13, "color": inks.muted}}
    return go.Figure(
        data=[
            {
                "type": "scatter",
                "x": temperatures,
                "y": entropies,
                "mode": "lines",
                "line": {"color": inks.ink, "width": 1.75},
                "hovertemplate": "temperature %{x:.2f}<br>entropy %{y:.3g} nats<extra></extra>",
            },
            {
                "type": "scatter",
                "x": [1.0],
                "y": [here],
                "mode": "markers",
                "marker": {"color": inks.accent, "size": 10},
                "hovertemplate": "the model: temperature 1<br>entropy %{y:.4g} nats<extra></extra>",
            },
        ],
        layout={
            "template": template(theme),
            "autosize": True,
            "height": 250,
            "margin": {"t": 10, "l": 48},
            "xaxis": {
                "title": {"text": "temperature"},
                "type": "log",
                "tickvals": [0.25, 0.5, 1, 2, 4],
                "ticktext": ["0.25", "0.5", "1", "2", "4"],
            },
            "yaxis": {"title": {"text": "entropy, nats"}, "range": [0, uniform * 1.12]},
            "shapes": [
                {
                    "type": "line",
                    "xref": "paper",
                    "x0": 0,
                    "x1": 1,
                    "y0": uniform,
                    "y1": uniform,
                    "line": {"color": inks.muted, "width": 1, "dash": "dot"},
                }
            ],
            "annotations": [
                note
                | {
                    "x": 0,
                    "xref": "paper",
                    "xanchor": "left",
                    "y": uniform,
                    "yanchor": "bottom",
                    "text": f"even choice: {digits(uniform)}",
                },
                note
                | {
                    "x": 0.0,
                    "y": here,
                    "xanchor": "left",
                    "xshift": 10,
                    "yshift": -10,
                    "text": f"{digits(here)} at 1",
                    "font": {"size": 13, "color": inks.accent},
                },
            ],
        },
    )


def describe(entropy: float, *, uniform: float) -> str:
    """One sentence for a person who cannot see the line."""
    return (
        f"Entropy of the router's choice over temperature: {digits(entropy)} nats at temperature "
        f"1, which the model uses, of {digits(uniform)} for an even choice."
    )
