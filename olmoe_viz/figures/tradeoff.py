"""One quantity over k, small, made to stand beside its likes; the trained k is marked."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from olmoe_viz.figures.labels import digits, safe
from olmoe_viz.figures.palette import INKS, Theme
from olmoe_viz.figures.theme import template


def figure(
    ks: Sequence[int],
    values: NDArray[np.float64],
    *,
    quantity: str,
    trained_k: int,
    spread: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None,
    theme: Theme,
) -> go.Figure:
    """A line over k on a doubling axis, from zero.

    Args:
        ks: experts per token, rising.
        values: [ks].
        quantity: name and unit, written above.
        trained_k: the k that is marked.
        spread: the smallest and the largest of what each value is the middle of, [ks] each.
        theme: the theme on the screen.
    """
    inks, (low, high) = INKS[theme], spread or (values, values)
    top = float(high.max() or 1.0)
    color = [inks.accent if k == trained_k else inks.paper for k in ks]
    edge = [inks.accent if k == trained_k else inks.ink for k in ks]
    return go.Figure(
        data=[
            {
                "type": "scatter",
                "x": list(ks),
                "y": values,
                "mode": "lines+markers",
                "line": {"color": inks.ink, "width": 1.75},
                "marker": {
                    "size": [10 if k == trained_k else 7 for k in ks],
                    "color": color,
                    # Markers of several sizes are translucent unless told otherwise.
                    "opacity": 1,
                    "line": {"color": edge, "width": 1.5},
                },
                "error_y": {
                    "visible": spread is not None,
                    "symmetric": False,
                    "array": high - values,
                    "arrayminus": values - low,
                    "color": inks.muted,
                    "thickness": 1.5,
                    "width": 3,
                },
                "customdata": np.column_stack([low, high]),
                "hovertemplate": f"k = %{{x}}<br>{safe(quantity)} %{{y:.3g}}"
                + "<br>%{customdata[0]:.3g} to %{customdata[1]:.3g}" * (spread is not None)
                + "<extra></extra>",
            }
        ],
        layout={
            "template": template(theme),
            "autosize": True,
            "height": 190,
            "margin": {"l": 46, "r": 10, "t": 30, "b": 40},
            "xaxis": {
                "type": "log",
                "tickvals": list(ks),
                "ticktext": list(map(str, ks)),
                "title": {"text": "k"},
            },
            "yaxis": {
                # Room below zero too, so that a dot there is whole.
                "range": [-0.07 * top, 1.08 * top],
                "nticks": 4,
                "tickformat": ".3~s" if top > 1000 else ".3~g",
            },
            "annotations": [
                {
                    "text": safe(quantity),
                    "x": 0,
                    "xref": "paper",
                    "xanchor": "left",
                    "y": 1,
                    "yref": "paper",
                    "yanchor": "bottom",
                    "yshift": 6,
                    "showarrow": False,
                    "font": {"size": 13, "color": inks.ink},
                }
            ],
        },
    )


def describe(ks: Sequence[int], values: NDArray[np.float64], *, quantity: str) -> str:
    """One sentence for a person who cannot see the line."""
    pairs = ", ".join(
        f"{digits(float(value))} at k = {k}" for k, value in zip(ks, values, strict=True)
    )
    return f"Line of {quantity} over k: {pairs}."
