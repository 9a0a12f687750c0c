"""Which experts a whole prompt uses: layers down, experts across."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.figures.expert_axis import expert_axis
from olmoe_viz.figures.figure import Figure
from olmoe_viz.figures.labels import digits, expert_name, number, percent
from olmoe_viz.figures.marks import Axis, Cells, ColorBar, named_layers, rounded, ticks
from olmoe_viz.figures.palette import SEQUENTIAL, Theme


def figure(
    load: NDArray[np.float64],
    *,
    tokens: int,
    layer_ids: Sequence[int],
    theme: Theme = "light",
) -> Figure:
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
    scale, span = SEQUENTIAL[theme], (0.0, float(load.max()))
    places = [(list(layer_ids).index(layer), str(layer)) for layer in named_layers(layer_ids)]
    return Figure(
        alt=_sentence(load, tokens=tokens, layer_ids=layer_ids),
        height=60 + 17 * layers,
        margin=(10, 80, 44, 52),
        x=(expert_axis(experts),),
        y=Axis((layers - 0.4, -0.6), places, "layer"),
        marks=(
            Cells(
                rounded(load),
                first=(0, 0),
                scale=scale,
                span=span,
                gaps=(1, 1),
                hover=(
                    f"layer {{row}} · expert {{row}}·{{column}}"
                    f"\n{{tokens}} of {tokens} tokens ({{value}})"
                    "\n{times the fair share} × the fair share of {fair share}"
                ),
                numbers=("layer", "expert id", "share of tokens"),
                rows=list(layer_ids),
                more={
                    "tokens": rounded(load * tokens),
                    "times the fair share": rounded(load / fair, 3),
                    "fair share": rounded(fair, 3),
                },
                percent=True,
            ),
        ),
        bar=ColorBar(scale, span, ticks(*span, 4, percent), "share of tokens"),
        theme=theme,
    )


def _sentence(load: NDArray[np.float64], *, tokens: int, layer_ids: Sequence[int]) -> str:
    """One sentence for a person who cannot see the heatmap."""
    layer, expert = map(int, np.unravel_index(int(load.argmax()), load.shape))
    most, idle = digits(100 * float(load.max())), int((load == 0).sum())
    a_token = number(float(load.sum(axis=1).mean()))
    return (
        f"Heatmap of {load.shape[0]} layers by {load.shape[1]} experts, {a_token} used by a token: "
        f"the busiest is expert {expert_name(expert, layer_ids[layer])} with {most}% of {tokens} "
        "tokens; "
        f"{idle} of {load.size} experts serve none."
    )
