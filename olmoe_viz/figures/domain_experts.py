"""How much of each domain's text an expert gets: domains down, the experts of one layer across."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from olmoe_viz.figures.labels import safe
from olmoe_viz.figures.palette import SEQUENTIAL, Theme, colorscale
from olmoe_viz.figures.theme import color_bar, expert_axis
from olmoe_viz.figures.theme import figure as blank


def figure(
    shares: NDArray[np.float64], domains: Sequence[str], *, fair: float, theme: Theme
) -> go.Figure:
    """Heatmap of one layer (arXiv 2409.02060, Eq. 7, domain specialization).

    Args:
        shares: [domains, experts], share of the domain's tokens with the expert among their top k.
        domains: their names, [domains].
        fair: the share by chance, k / experts.
        theme: the theme on the screen.
    """
    count, experts = shares.shape
    chart = blank(theme, 86 + 24 * count)
    chart.add_heatmap(
        z=shares,
        x=np.arange(experts),
        y=np.arange(count),
        customdata=shares / fair,
        colorscale=colorscale(SEQUENTIAL[theme]),
        zmin=0,
        zmax=1,
        xgap=1,
        ygap=1,
        colorbar=color_bar(theme, "share of tokens") | {"tickformat": ".0%", "nticks": 5},
        text=[[safe(name)] * experts for name in domains],
        hovertemplate=(
            "%{text} · expert %{x}<br>%{z:.1%} of the tokens"
            f"<br>%{{customdata:.2f}} × the fair share of {fair:.1%}<extra></extra>"
        ),
    )
    expert_axis(chart, experts, -1.0, theme)
    chart.update_yaxes(
        tickvals=list(range(count)),
        ticktext=[safe(name) for name in domains],
        range=[count - 0.4, -1.6],
        ticks="",
    )
    chart.update_layout(margin={"t": 4, "l": 104})
    return chart


def describe(
    shares: NDArray[np.float64], domains: Sequence[str], *, layer: int, fair: float
) -> str:
    """One sentence for a person who cannot see the heatmap."""
    domain, expert = map(int, np.unravel_index(int(shares.argmax()), shares.shape))
    strong = int((shares.max(0) >= 3 * fair).sum())
    return (
        f"Heatmap of domains by experts in layer {layer}: expert {expert} gets "
        f"{shares[domain, expert]:.0%} of the {domains[domain]} tokens; {strong} of "
        f"{shares.shape[1]} experts get at least three times their fair share of some domain."
    )
