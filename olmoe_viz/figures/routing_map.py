"""The routing map: tokens across, layers down, each cell in the color of its strongest expert."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.figures.figure import Figure
from olmoe_viz.figures.labels import shorten, visible
from olmoe_viz.figures.marks import Axis, Cells, named_layers
from olmoe_viz.figures.palette import Theme, expert_colors
from olmoe_viz.figures.token_axis import token_axis
from olmoe_viz.numerics import routing


def figure(
    expert_ids: NDArray[np.int16],
    probabilities: NDArray[np.float64],
    *,
    tokens: Sequence[str],
    layer_ids: Sequence[int],
    first: int = 0,
    theme: Theme = "light",
) -> Figure:
    """Draw one cell for each token in each layer.

    Args:
        expert_ids: [layers, tokens, largest k], the experts that ran, strongest first.
        probabilities: [layers, tokens, experts], the router's.
        tokens: their visible text, [tokens].
        layer_ids: the layers, counted over all blocks, [layers].
        first: the position of the first token.
        theme: the theme on the screen.
    """
    layers, _, experts = probabilities.shape
    strongest = expert_ids[..., 0].astype(np.int64)
    best = np.take_along_axis(probabilities, strongest[..., None], axis=-1)[..., 0]
    places = [(list(layer_ids).index(layer), str(layer)) for layer in named_layers(layer_ids)]
    return Figure(
        alt=_sentence(strongest, tokens, layer_ids),
        height=70 + 16 * layers,
        margin=(6, 12, 58, 44),
        x=(token_axis(tokens, first=first),),
        y=Axis((layers - 0.4, -0.6), places, "layer"),
        marks=(
            Cells(
                strongest.tolist(),
                first=(0, first),
                scale=expert_colors(experts, theme),
                span=(0.0, float(max(experts - 1, 1))),
                gaps=(1, 1),
                hover=(
                    "token {column}\nexpert {row}·{value}, the strongest\n"
                    "its probability {probability}\n{experts that ran} ran, mass {mass}"
                ),
                numbers=("layer", "token", "expert id"),
                rows=list(layer_ids),
                columns=[
                    f"{place} {shorten(visible(token), 16)}"
                    for place, token in enumerate(tokens, first)
                ],
                more={
                    "probability": best.round(6).tolist(),
                    "mass": routing.mass(probabilities, expert_ids).round(6).tolist(),
                    "experts that ran": (expert_ids >= 0).sum(axis=-1).tolist(),
                },
            ),
        ),
        theme=theme,
    )


def _sentence(strongest: NDArray[np.int64], tokens: Sequence[str], layer_ids: Sequence[int]) -> str:
    """One sentence for a person who cannot see the map."""
    row, column = 0, len(tokens) - 1
    return (
        f"Map of the strongest expert of {len(tokens)} tokens in {len(layer_ids)} layers: "
        f"{len(np.unique(strongest))} different ids; the last token has expert "
        f"{layer_ids[row]}·{strongest[row, column]} in layer {layer_ids[row]}."
    )
