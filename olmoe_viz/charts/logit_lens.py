"""What the model would predict if it stopped after each block, and how the winner rises."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from olmoe_viz.charts.labels import digits, safe, shorten
from olmoe_viz.charts.palette import INKS, SEQUENTIAL, Theme, colorscale
from olmoe_viz.charts.theme import NUMBER_FONT, template


def figure(
    tokens: Sequence[Sequence[str]],
    probabilities: NDArray[np.float64],
    winner: NDArray[np.float64],
    ranks: NDArray[np.int64],
    *,
    theme: Theme,
) -> go.Figure:
    """Draw the most likely tokens after each block at the left, the winner's share at the right.

    Args:
        tokens: [stages][top] names; stage 0 is the embedding, stage l + 1 is after block l.
        probabilities: [stages, top] of these tokens.
        winner: [stages], probability of the token that wins after the last block.
        ranks: [stages], its rank, 1 for the first.
        theme: the theme on the screen.
    """
    inks = INKS[theme]
    stages, top = probabilities.shape
    places = np.arange(stages)
    names = ["embedding", *(f"block {layer}" for layer in range(stages - 1))]
    shown = [[safe(shorten(t.replace(" ", "·"), 8)) or "∅" for t in row] for row in tokens]
    return go.Figure(
        data=[
            {
                "type": "heatmap",
                "z": probabilities,
                "x": np.arange(1, top + 1),
                "y": places,
                "text": shown,
                "texttemplate": "%{text}",
                "textfont": {"family": NUMBER_FONT, "size": 12},
                "zmin": 0,
                "zmax": 1,
                "xgap": 2,
                "ygap": 2,
                "showscale": False,
                "colorscale": colorscale(SEQUENTIAL[theme]),
                "hovertemplate": "%{text}, rank %{x}<br>probability %{z:.3g}<extra></extra>",
            },
            {
                "type": "scatter",
                "x": winner,
                "y": places,
                "xaxis": "x2",
                "mode": "lines+markers",
                "line": {"color": inks.accent, "width": 2},
                "marker": {"size": 5},
                "customdata": ranks,
                "hovertemplate": (
                    "the token that wins<br>probability %{x:.3g}<br>rank %{customdata:,}"
                    "<extra></extra>"
                ),
            },
        ],
        layout={
            "template": template(theme),
            "autosize": True,
            "height": 64 + 25 * stages,
            "margin": {"l": 76, "r": 14, "t": 6, "b": 44},
            "xaxis": {
                "domain": [0, 0.76],
                "tickvals": list(range(1, top + 1)),
                "title": {"text": "rank"},
                "ticks": "",
                "showline": False,
            },
            "xaxis2": {
                "domain": [0.8, 1],
                "range": [0, 1.03],
                "tickvals": [0, 1],
                "title": {"text": "winner"},
                "anchor": "y",
            },
            "yaxis": {
                "range": [stages - 0.5, -0.5],
                "tickvals": places,
                "ticktext": names,
                "ticks": "",
                "showline": False,
            },
        },
    )


def describe(tokens: Sequence[Sequence[str]], winner: NDArray[np.float64]) -> str:
    """One sentence for a person who cannot see the table."""
    first = next(
        at for at in range(len(tokens)) if all(row[0] == tokens[-1][0] for row in tokens[at:])
    )
    since = "the embedding" if first == 0 else f"block {first - 1}"
    return (
        f"Most likely next tokens after each of {len(tokens) - 1} blocks: {tokens[-1][0]!r} leads "
        f"from {since} on and ends with probability {digits(float(winner[-1]))}."
    )
