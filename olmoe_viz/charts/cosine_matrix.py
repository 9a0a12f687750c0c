"""How alike the outputs of the selected experts are: cosines of all pairs."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from olmoe_viz.charts.labels import digits
from olmoe_viz.charts.palette import DIVERGING, Theme, colorscale
from olmoe_viz.charts.theme import NUMBER_FONT, color_bar, template


def figure(cosines: NDArray[np.float64], *, ids: Sequence[int], theme: Theme) -> go.Figure:
    """Draw the matrix; 1 is the same direction, 0 unrelated, -1 opposite.

    Args:
        cosines: [experts, experts], symmetric.
        ids: the experts' ids.
        theme: the theme on the screen.
    """
    count = len(ids)
    named = list(range(0, count, 1 if count <= 24 else 4))
    axis = {
        "tickvals": named,
        "ticktext": [str(ids[at]) for at in named],
        "tickfont": {"family": NUMBER_FONT, "size": 12 if count <= 16 else 11},
        "ticks": "",
        "showline": False,
    }
    upper = np.where(np.tri(count, dtype=bool), cosines, np.nan).astype(np.float32)
    pairs = np.array([[f"experts {a} and {b}" for b in ids] for a in ids], dtype=object)
    return go.Figure(
        data=[
            {
                "type": "heatmap",
                "z": upper,
                "text": pairs,
                "zmin": -1,
                "zmax": 1,
                "xgap": 1,
                "ygap": 1,
                "hoverongaps": False,
                "colorscale": colorscale(DIVERGING[theme]),
                "colorbar": color_bar(theme, "cosine") | {"tickvals": [-1, 0, 1]},
                "hovertemplate": "%{text}<br>cosine %{z:.3f}<extra></extra>",
            }
        ],
        layout={
            "template": template(theme),
            "autosize": True,
            "height": 320,
            "margin": {"l": 52, "t": 6, "b": 48},
            "xaxis": axis | {"title": {"text": "expert id"}, "tickangle": 0},
            "yaxis": axis | {"title": {"text": "expert id"}, "range": [count - 0.5, -0.5]},
        },
    )


def describe(cosines: NDArray[np.float64], *, ids: Sequence[int]) -> str:
    """One sentence for a person who cannot see the matrix."""
    if len(ids) < 2:
        return f"Only expert {ids[0]} is selected, so that there is no pair to compare."
    pairs = cosines[np.tril_indices(len(ids), -1)]
    return (
        f"Cosines between the outputs of {len(ids)} experts: mean {digits(float(pairs.mean()))}, "
        f"from {digits(float(pairs.min()))} to {digits(float(pairs.max()))}."
    )
