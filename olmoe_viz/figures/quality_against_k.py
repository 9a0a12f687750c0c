"""Bits per byte against k, a line for each weighting, with the interval of each point."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from olmoe_viz.figures.labels import safe
from olmoe_viz.figures.palette import INKS, Theme
from olmoe_viz.figures.theme import figure as blank

Floats = NDArray[np.float64]
Lines = Mapping[str, tuple[Floats, Floats, Floats]]  # bits per byte, low, high
_DASHES = ("solid", "dash", "dot")
_SYMBOLS = ("circle", "square", "diamond")


def figure(
    ks: Sequence[int],
    lines: Lines,
    *,
    trained_k: int,
    theme: Theme,
) -> go.Figure:
    """Lines over k on a logarithmic axis; the trained k is marked.

    Args:
        ks: numbers of experts, rising, [n].
        lines: name of a weighting -> (bits per byte, low, high), each [n].
        trained_k: the k the model was trained with.
        theme: the theme on the screen.
    """
    inks = INKS[theme]
    chart = blank(theme, 340)
    chart.add_vline(x=np.log2(trained_k), line={"color": inks.line, "width": 1})
    chart.add_annotation(
        x=np.log2(trained_k),
        y=1,
        yref="paper",
        yanchor="bottom",
        text=f"trained with k = {trained_k}",
        showarrow=False,
        font={"color": inks.muted},
    )
    for index, (name, (bits, low, high)) in enumerate(lines.items()):
        color = (inks.accent, inks.ink, inks.muted)[index % 3]
        chart.add_scatter(
            x=np.log2(ks),
            y=bits,
            name=safe(name),
            mode="lines+markers",
            line={"color": color, "width": 2, "dash": _DASHES[index % 3]},
            marker={"symbol": _SYMBOLS[index % 3], "size": 8, "color": color},
            error_y={
                "array": high - bits,
                "arrayminus": bits - low,
                "thickness": 1,
                "width": 3,
                "color": color,
            },
            customdata=np.column_stack([ks, low, high]),
            hovertemplate=(
                f"{safe(name)}, k = %{{customdata[0]}}<br>%{{y:.4f}} bits per byte"
                "<br>95% interval %{customdata[1]:.4f} to %{customdata[2]:.4f}<extra></extra>"
            ),
        )
    chart.update_xaxes(title_text="k, experts per token", tickvals=np.log2(ks), ticktext=list(ks))
    chart.update_yaxes(title_text="bits per byte, lower is better", tickformat=".2f")
    # The lines cross and run together, so no end of a line is a good place for its name.
    chart.update_layout(
        showlegend=True, legend={"orientation": "h", "y": -0.24, "x": 0}, margin={"t": 28, "b": 88}
    )
    return chart


def describe(ks: Sequence[int], lines: Lines, *, trained_k: int) -> str:
    """One sentence for a person who cannot see the lines."""
    at, last = list(ks).index(trained_k), len(ks) - 1
    parts = [
        f"{name} {bits[at]:.3f} at k = {trained_k} and {bits[last]:.3f} at k = {ks[last]}"
        for name, (bits, _, _) in lines.items()
    ]
    return "Bits per byte against k: " + "; ".join(parts) + "."
