"""The most likely next tokens under two policies side by side, an arrow from place to place."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from olmoe_viz.charts.labels import digits, safe, shorten
from olmoe_viz.charts.palette import INKS, Theme
from olmoe_viz.charts.theme import NUMBER_FONT, template

Side = tuple[Sequence[int], Sequence[str], NDArray[np.float64]]


def figure(left: Side, right: Side, *, names: tuple[str, str], theme: Theme) -> go.Figure:
    """Draw two lists; a token in both is joined by an arrow, one that is new stands alone.

    Args:
        left: ids, tokens and probabilities of the first policy, most likely first.
        right: the same of the second.
        names: the two policies in words.
        theme: the theme on the screen.
    """
    inks = INKS[theme]
    count = max(len(left[0]), len(right[0]))
    places = {token: at for at, token in enumerate(right[0])}
    lines: list[dict[str, Any]] = []
    for at, token in enumerate(left[0]):
        if token in places:
            moved = places[token] != at
            lines.append(
                {
                    "type": "scatter",
                    "x": [0, 1],
                    "y": [at, places[token]],
                    "mode": "lines+markers",
                    "line": {
                        "color": inks.ink if moved else inks.line,
                        "width": 2 if moved else 1.25,
                    },
                    "marker": {
                        "symbol": ["circle", "arrow"],
                        "angleref": "previous",
                        "size": [5, 11],
                        # Markers of several sizes have an outline unless told otherwise.
                        "line": {"width": 0},
                        "opacity": 1,
                    },
                    "hovertemplate": (f"rank {at + 1} to {places[token] + 1}<extra></extra>"),
                }
            )
    flips = bool(left[0]) and bool(right[0]) and left[0][0] != right[0][0]
    notes = [
        *_names(left, set(right[0]), side=0, flips=flips, theme=theme),
        *_names(right, set(left[0]), side=1, flips=flips, theme=theme),
        *_heads(names, theme),
    ]
    return go.Figure(
        data=lines,
        layout={
            "template": template(theme),
            "autosize": True,
            "height": 44 + 30 * count,
            "margin": {"l": 4, "r": 4, "t": 8, "b": 8},
            "xaxis": {"visible": False, "range": [-2, 3]},
            "yaxis": {"visible": False, "range": [count - 0.4, -1.5]},
            "annotations": notes,
        },
    )


def describe(left: Side, right: Side, *, names: tuple[str, str]) -> str:
    """One sentence for a person who cannot see the lists."""
    parts = [
        f"under {name} {side[1][0]!r} leads with {digits(float(side[2][0]))}"
        for name, side in zip(names, (left, right), strict=True)
    ]
    kept = len(set(left[0]) & set(right[0]))
    return (
        f"The {len(left[0])} most likely next tokens: {'; '.join(parts)}; {kept} are in both lists."
    )


def _names(
    side_values: Side, others: set[int], *, side: int, flips: bool, theme: Theme
) -> list[dict[str, Any]]:
    inks = INKS[theme]
    notes: list[dict[str, Any]] = []
    for at, (token, text, share) in enumerate(zip(*side_values, strict=True)):
        word = safe(shorten(text.replace(" ", "·"), 10)) or "∅"
        new = "" if token in others else "<b>+</b> "
        number = f"{100 * share:#.3g}".rstrip(".") + "%"
        first = at == 0 and flips
        notes.append(
            {
                "x": side,
                "y": at,
                "xanchor": "right" if side == 0 else "left",
                "xshift": -8 if side == 0 else 8,
                "text": f"{new}{word}  {number}" if side == 0 else f"{number}  {word} {new}",
                "showarrow": False,
                "font": {
                    "family": NUMBER_FONT,
                    "size": 12,
                    "color": inks.accent if first else inks.ink,
                },
            }
        )
    return notes


def _heads(names: tuple[str, str], theme: Theme) -> list[dict[str, Any]]:
    return [
        {
            "x": side,
            "y": -1,
            "xanchor": "right" if side == 0 else "left",
            "xshift": -8 if side == 0 else 8,
            "text": safe(name),
            "showarrow": False,
            "font": {"size": 13, "color": INKS[theme].muted},
        }
        for side, name in enumerate(names)
    ]
