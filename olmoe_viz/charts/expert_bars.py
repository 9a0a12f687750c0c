"""One number for each of several experts, as bars in the experts' own colors."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from olmoe_viz.charts.labels import digits, safe
from olmoe_viz.charts.palette import INKS, Theme, expert_color
from olmoe_viz.charts.theme import NUMBER_FONT, template


def figure(
    values: NDArray[np.float64],
    *,
    ids: Sequence[int],
    quantity: str,
    hollow: Sequence[bool] | None = None,
    level: tuple[float, str] | None = None,
    also: tuple[str, NDArray[np.float64]] | None = None,
    base: float = 0.0,
    height: int = 250,
    theme: Theme,
) -> go.Figure:
    """Draw one bar an expert, in the order given.

    Every bar has its id at its end; of more than 32 only the eight with the largest values do, and
    the axis names ids, so that `ids` must then be 0, 1, 2 and so on.

    Args:
        values: [experts shown].
        ids: their ids.
        quantity: name and unit of the vertical axis.
        hollow: which bars are only outlined, as what is not selected.
        level: a value to mark by a dotted line, and its words.
        also: a second quantity for the hover text, its name and its values.
        base: where the bars start.
        height: in pixels.
        theme: the theme on the screen.
    """
    inks = INKS[theme]
    colors = [expert_color(expert, theme) for expert in ids]
    empty = hollow or [False] * len(ids)
    few = len(ids) <= 32
    named = set(range(len(ids)) if few else np.argsort(-values, kind="stable")[:8].tolist())
    extra = f"<br>{safe(also[0])} %{{customdata[2]:.3g}}" if also else ""
    low, high = min(float(values.min()), base), max(float(values.max()), base)
    room = 0.14 * (high - low or 1.0)
    return go.Figure(
        data=[
            {
                "type": "bar",
                "x": np.arange(len(ids)),
                "y": values - base,
                "base": base,
                "marker": {
                    "color": [
                        "rgba(0,0,0,0)" if bare else color
                        for bare, color in zip(empty, colors, strict=True)
                    ],
                    "line": {"color": colors, "width": 1.25},
                },
                "text": [str(expert) if at in named else "" for at, expert in enumerate(ids)],
                "textposition": "outside",
                "textangle": 0,
                "textfont": {"family": NUMBER_FONT, "size": 12 if few else 11, "color": inks.muted},
                "cliponaxis": False,
                "customdata": np.column_stack([ids, values, also[1] if also else values]),
                "hovertemplate": (
                    f"expert %{{customdata[0]}}<br>{safe(quantity)} %{{customdata[1]:.4g}}{extra}"
                    "<extra></extra>"
                ),
            }
        ],
        layout={
            "template": template(theme),
            "autosize": True,
            "height": height,
            "margin": {"t": 10, "b": 34 if few else 44, "l": 58},
            "xaxis": {
                "title": {"text": "expert (its id at the bar)" if few else "expert id"},
                "showticklabels": not few,
                "tickvals": list(range(0, len(ids), 8)),
                "ticks": "" if few else "outside",
                "range": [-0.7, len(ids) - 0.3],
            },
            "yaxis": {
                "title": {"text": safe(quantity)},
                "range": [low - room * (low < base), high + room],
                "nticks": 5,
                "tickformat": ".3~g",
            },
            # In the layout at once: `add_hline` is slow, and this page draws many bars.
            "shapes": [
                *([_line(base, {"color": inks.line}) | {"layer": "below"}] if low < base else []),
                *([_line(level[0], {"color": inks.ink, "dash": "dot"})] if level else []),
            ],
            "annotations": [_words(level[1], inks.muted)] if level else [],
        },
    )


def _line(height: float, pen: dict[str, str]) -> dict[str, Any]:
    """A line across the whole figure."""
    return {
        "type": "line",
        "xref": "paper",
        "x0": 0,
        "x1": 1,
        "y0": height,
        "y1": height,
        "line": pen | {"width": 1},
    }


def _words(text: str, color: str) -> dict[str, Any]:
    """Words in the upper left corner."""
    return {
        "text": safe(text),
        "x": 0.01,
        "xref": "paper",
        "y": 1,
        "yref": "paper",
        "xanchor": "left",
        "yanchor": "top",
        "showarrow": False,
        "font": {"size": 13, "color": color},
    }


def describe(values: NDArray[np.float64], *, ids: Sequence[int], quantity: str) -> str:
    """One sentence for a person who cannot see the bars."""
    top, low = int(values.argmax()), int(values.argmin())
    return (
        f"Bars of {quantity} for {len(ids)} experts: most {digits(float(values[top]))} at expert "
        f"{ids[top]}, least {digits(float(values[low]))} at expert {ids[low]}."
    )
