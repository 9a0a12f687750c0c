"""What each expert adds to the block's output: the length of weight times output, for two ks."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from olmoe_viz.charts.labels import digits, safe
from olmoe_viz.charts.palette import INKS, Theme, expert_color
from olmoe_viz.charts.theme import NUMBER_FONT, template


def figure(
    norms: NDArray[np.float64], *, ids: Sequence[int], names: tuple[str, str], theme: Theme
) -> go.Figure:
    """Draw two bars an expert: filled for the first policy, hollow for the second.

    Args:
        norms: [2, experts], L2 norms of weight times output; 0 where not selected.
        ids: the experts' ids, by falling router probability.
        names: the two policies in words.
        theme: the theme on the screen.
    """
    inks = INKS[theme]
    colors = [expert_color(expert, theme) for expert in ids]
    ordinal = np.arange(len(ids))
    shared: dict[str, object] = {"type": "bar", "x": ordinal, "customdata": list(ids)}
    hover = "expert %{customdata}<br>norm of weight × output %{y:.4g}<extra></extra>"
    heights = np.where(norms > 0, norms, np.nan)
    return go.Figure(
        data=[
            shared
            | {
                "y": heights[0],
                "marker": {"color": colors, "line": {"color": colors, "width": 1.25}},
                "hovertemplate": f"{safe(names[0])}<br>{hover}",
            },
            shared
            | {
                "y": heights[1],
                "marker": {"color": "rgba(0,0,0,0)", "line": {"color": colors, "width": 1.25}},
                "hovertemplate": f"{safe(names[1])}<br>{hover}",
            },
        ],
        layout={
            "template": template(theme),
            "autosize": True,
            "height": 270,
            "barmode": "group",
            "bargap": 0.25,
            "bargroupgap": 0.1,
            "margin": {"t": 28, "b": 52, "l": 58},
            "xaxis": {
                "title": {"text": "expert id, by falling probability"},
                "tickvals": ordinal if len(ids) <= 32 else ordinal[::4],
                "ticktext": [str(expert) for expert in ids][:: 1 if len(ids) <= 32 else 4],
                "tickfont": {"family": NUMBER_FONT, "size": 12},
                "ticks": "",
                "range": [-0.7, len(ids) - 0.3],
            },
            "yaxis": {"title": {"text": "norm"}, "rangemode": "tozero", "nticks": 5},
            "annotations": [
                {
                    "text": f"■ {safe(names[0])}     □ {safe(names[1])}",
                    "x": 1,
                    "xref": "paper",
                    "xanchor": "right",
                    "y": 1,
                    "yref": "paper",
                    "yanchor": "bottom",
                    "showarrow": False,
                    "font": {"size": 13, "color": inks.muted},
                }
            ],
        },
    )


def describe(norms: NDArray[np.float64], *, ids: Sequence[int], names: tuple[str, str]) -> str:
    """One sentence for a person who cannot see the bars."""
    parts = [
        f"under {name} expert {ids[int(row.argmax())]} adds most, {digits(float(row.max()))}"
        for name, row in zip(names, norms, strict=True)
    ]
    return f"Bars of what {len(ids)} experts add: " + "; ".join(parts) + "."
