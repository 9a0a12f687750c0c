"""The router's probabilities of one token in one layer, with the cutoffs of several k marked."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from olmoe_viz.charts.labels import digits
from olmoe_viz.charts.palette import INKS, Theme, expert_colors
from olmoe_viz.charts.theme import NUMBER_FONT
from olmoe_viz.charts.theme import figure as blank

Order = Literal["probability", "expert"]
_HEIGHT = 340


def figure(
    probabilities: NDArray[np.float64],
    *,
    k: int,
    marks: Sequence[int] = (8, 16, 32),
    order: Order = "probability",
    theme: Theme,
) -> go.Figure:
    """Bars of all experts: the top k filled, the others hollow.

    Args:
        probabilities: [experts], softmax of the router logits; sums to 1.
        k: the cutoff in force; its bars are filled and its line is drawn in the accent.
        marks: further cutoffs to draw, each labelled with the mass it retains.
        order: falling probability, or expert id.
        theme: the theme on the screen.
    """
    ranking = np.argsort(-probabilities, kind="stable")
    ids = ranking if order == "probability" else np.arange(len(probabilities))
    rank = np.empty(len(ranking), dtype=np.int64)
    rank[ranking] = np.arange(1, len(ranking) + 1)
    cumulative = np.cumsum(probabilities[ranking])
    colors = expert_colors(len(probabilities), theme)
    chosen = rank[ids] <= k
    chart = blank(theme, _HEIGHT)
    chart.add_bar(
        x=np.arange(len(ids)) + 1 if order == "probability" else ids,
        y=probabilities[ids],
        marker={
            "color": [
                colors[e] if used else "rgba(0,0,0,0)" for e, used in zip(ids, chosen, strict=True)
            ],
            "line": {"color": [colors[e] for e in ids], "width": 1.25},
        },
        text=[str(e) for e in ids],
        textposition="outside",
        textfont={"family": NUMBER_FONT, "size": 11, "color": INKS[theme].muted},
        textangle=0,
        cliponaxis=False,
        customdata=np.column_stack([ids, rank[ids], cumulative[rank[ids] - 1]]),
        hovertemplate=(
            "expert %{customdata[0]} · rank %{customdata[1]}<br>probability %{y:.3g}"
            "<br>mass up to this rank %{customdata[2]:.3g}<extra></extra>"
        ),
    )
    cuts = sorted({m for m in (*marks, k) if 1 <= m <= len(probabilities)})
    draw = _upright_cuts if order == "probability" else _level_cuts
    draw(chart, cuts, k, probabilities[ranking], theme)
    chart.update_yaxes(
        title_text="router probability",
        range=[0, float(probabilities.max()) * (1.12 + 0.05 * len(cuts))],
        tickformat=".2~f",
        nticks=5,
    )
    named = (
        "rank of the expert (its id above, if there is room)"
        if order == "probability"
        else "expert id"
    )
    chart.update_xaxes(
        title_text=named, range=_span(order, len(ids)), tickvals=_ticks(order, len(ids))
    )
    return chart


def describe(probabilities: NDArray[np.float64], *, k: int) -> str:
    """One sentence for a person who cannot see the bars; same arguments as `figure`."""
    best = int(probabilities.argmax())
    kept = float(np.sort(probabilities)[::-1][:k].sum())
    return (
        f"Bar chart of {len(probabilities)} router probabilities: expert {best} leads with "
        f"{digits(float(probabilities[best]))}, and the top {k} keep {digits(kept)} of the mass."
    )


def cutoff_label(k: int, kept: float) -> str:
    """The words at a cutoff, as in "top 8: 0.472"."""
    return f"top {k}: {digits(kept)}"


def _span(order: Order, experts: int) -> list[float]:
    return [0.3, experts + 0.9] if order == "probability" else [-0.7, experts - 0.3]


def _ticks(order: Order, experts: int) -> list[int]:
    steps = range(0, experts + 1, 8)
    return (
        [max(1, s) for s in steps] if order == "probability" else [s for s in steps if s < experts]
    )


def _pen(cut: int, k: int, theme: Theme) -> dict[str, object]:
    inks = INKS[theme]
    if cut == k:
        return {"color": inks.accent, "width": 2}
    return {"color": inks.muted, "width": 1, "dash": "dot"}


def _words(cut: int, k: int, kept: float, theme: Theme) -> dict[str, object]:
    inks = INKS[theme]
    words = cutoff_label(cut, kept)
    return {
        "text": f"<b>{words}</b>" if cut == k else words,
        "showarrow": False,
        "font": {"size": 14 if cut == k else 13, "color": inks.accent if cut == k else inks.muted},
    }


def _upright_cuts(
    chart: go.Figure,
    cuts: list[int],
    k: int,
    ordered: NDArray[np.float64],
    theme: Theme,
) -> None:
    """Lines behind the last expert of each k, their labels stepping down so that none collide."""
    for step, cut in enumerate(cuts):
        top = 1.0 - 0.085 * step
        left = cut < 0.6 * len(ordered)
        chart.add_shape(
            type="line",
            x0=cut + 0.5,
            x1=cut + 0.5,
            y0=0,
            y1=top,
            yref="paper",
            line=_pen(cut, k, theme),
        )
        chart.add_annotation(
            x=cut + 0.5,
            y=top,
            yref="paper",
            xanchor="left" if left else "right",
            yanchor="top",
            xshift=5 if left else -5,
            yshift=4,
            **_words(cut, k, float(ordered[:cut].sum()), theme),
        )


def _level_cuts(
    chart: go.Figure,
    cuts: list[int],
    k: int,
    ordered: NDArray[np.float64],
    theme: Theme,
) -> None:
    """By expert id a cutoff is a level: the bars that reach it are chosen."""
    for step, cut in enumerate(cuts):
        level = float(ordered[cut - 1])
        chart.add_shape(
            type="line", x0=0, x1=1, xref="paper", y0=level, y1=level, line=_pen(cut, k, theme)
        )
        chart.add_annotation(
            x=0.01 + step / len(cuts),
            xref="paper",
            y=1,
            yref="paper",
            xanchor="left",
            yanchor="top",
            **_words(cut, k, float(ordered[:cut].sum()), theme),
        )
