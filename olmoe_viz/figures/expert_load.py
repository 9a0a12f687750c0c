"""Which experts a whole prompt uses: layers down, experts across."""

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from olmoe_viz.figures.labels import digits
from olmoe_viz.figures.palette import SEQUENTIAL, Theme, colorscale
from olmoe_viz.figures.theme import color_bar, expert_axis
from olmoe_viz.figures.theme import figure as blank


def figure(
    load: NDArray[np.float64], *, k: int, tokens: int, first: int = 0, theme: Theme
) -> go.Figure:
    """Share of the prompt's tokens that each expert serves.

    Args:
        load: [layers, experts], share of tokens with the expert among their top k, 0 to 1.
        first: the number of the first of these layers.
        k: experts per token, for the fair share k / experts in the hover text.
        tokens: how many tokens the shares are taken over.
        theme: the theme on the screen.
    """
    layers, experts = load.shape
    fair = k / experts
    chart = blank(theme, 72 + 17 * layers)
    chart.add_heatmap(
        z=load,
        x=np.arange(experts),
        y=np.arange(first, first + layers),
        customdata=np.dstack([load * tokens, load / fair]),
        colorscale=colorscale(SEQUENTIAL[theme]),
        zmin=0,
        zmax=max(float(load.max()), fair),
        xgap=1,
        ygap=1,
        colorbar=color_bar(theme, "share of tokens") | {"tickformat": ".0%", "nticks": 5},
        hovertemplate=(
            "layer %{y} · expert %{x}"
            f"<br>%{{customdata[0]:.0f}} of {tokens} tokens (%{{z:.1%}})"
            f"<br>%{{customdata[1]:.2f}} × the fair share of {fair:.1%}<extra></extra>"
        ),
    )
    expert_axis(chart, experts, first - 1.1, theme)
    ticks = [layer for layer in range(first, first + layers) if layer % 5 == 0 or layers < 5]
    chart.update_yaxes(
        title_text="layer", range=[first + layers - 0.4, first - 1.7], tickvals=ticks
    )
    chart.update_layout(margin={"t": 4})
    return chart


def describe(load: NDArray[np.float64], *, k: int, tokens: int, first: int = 0) -> str:
    """One sentence for a person who cannot see the heatmap."""
    layer, expert = np.unravel_index(int(load.argmax()), load.shape)
    most, idle = digits(100 * float(load.max())), int((load == 0).sum())
    return (
        f"Heatmap of {load.shape[0]} layers by {load.shape[1]} experts at k = {k}: the busiest is "
        f"expert {expert} in layer {first + layer} with {most}% of {tokens} tokens; "
        f"{idle} of {load.size} experts serve none."
    )
