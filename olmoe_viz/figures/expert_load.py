"""Which experts a whole prompt uses: layers down, experts across."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from olmoe_viz.figures.labels import digits, number
from olmoe_viz.figures.palette import SEQUENTIAL, Theme, colorscale
from olmoe_viz.figures.plot import named_layers
from olmoe_viz.figures.theme import color_bar, expert_axis
from olmoe_viz.figures.theme import figure as blank


def figure(
    load: NDArray[np.float64], *, tokens: int, layer_ids: Sequence[int], theme: Theme
) -> go.Figure:
    """Share of the prompt's tokens that each expert serves.

    Args:
        load: [layers, experts], share of tokens that used the expert, 0 to 1; a row sums to the
            experts of a token, so that its mean is the fair share.
        tokens: how many tokens the shares are taken over.
        layer_ids: the layers, counted over all blocks, [layers].
        theme: the theme on the screen.
    """
    layers, experts = load.shape
    fair = np.broadcast_to(load.mean(axis=1, keepdims=True), load.shape)
    chart = blank(theme, 72 + 17 * layers)
    chart.add_heatmap(
        z=load,
        x=np.arange(experts),
        y=np.arange(layers),
        text=[[str(layer)] * experts for layer in layer_ids],
        customdata=np.dstack([load * tokens, load / fair, fair]),
        colorscale=colorscale(SEQUENTIAL[theme]),
        zmin=0,
        zmax=float(load.max()),
        xgap=1,
        ygap=1,
        colorbar=color_bar(theme, "share of tokens") | {"tickformat": ".0%", "nticks": 5},
        hovertemplate=(
            "layer %{text} · expert %{x}"
            f"<br>%{{customdata[0]:.0f}} of {tokens} tokens (%{{z:.1%}})"
            "<br>%{customdata[1]:.2f} × the fair share of %{customdata[2]:.1%}<extra></extra>"
        ),
    )
    expert_axis(chart, experts, -1.1, theme)
    named = named_layers(layer_ids)
    chart.update_yaxes(
        title_text="layer",
        range=[layers - 0.4, -1.7],
        tickvals=[list(layer_ids).index(layer) for layer in named],
        ticktext=list(map(str, named)),
    )
    chart.update_layout(margin={"t": 4})
    return chart


def describe(load: NDArray[np.float64], *, tokens: int, layer_ids: Sequence[int]) -> str:
    """One sentence for a person who cannot see the heatmap."""
    layer, expert = map(int, np.unravel_index(int(load.argmax()), load.shape))
    most, idle = digits(100 * float(load.max())), int((load == 0).sum())
    a_token = number(float(load.sum(axis=1).mean()))
    return (
        f"Heatmap of {load.shape[0]} layers by {load.shape[1]} experts, {a_token} used by a token: "
        f"the busiest is expert {expert} in layer {layer_ids[layer]} with {most}% of {tokens} "
        "tokens; "
        f"{idle} of {load.size} experts serve none."
    )
