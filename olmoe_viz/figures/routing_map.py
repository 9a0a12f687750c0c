"""The routing map: tokens across, layers down, each cell in the color of its strongest expert.

The color is that of the layer and the id, as on every page.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.figures.expert_colors import color_place, color_scale
from olmoe_viz.figures.figure import Figure
from olmoe_viz.figures.labels import shorten, visible
from olmoe_viz.figures.marks import Axis, Cells, named_layers
from olmoe_viz.figures.palette import Theme
from olmoe_viz.figures.token_axis import token_axis
from olmoe_viz.numerics import routing
from olmoe_viz.records.expert_uses import ExpertUses


def figure(
    expert_ids: NDArray[np.int16],
    probabilities: NDArray[np.float64],
    *,
    tokens: Sequence[str],
    layer_ids: Sequence[int],
    first: int = 0,
    uses: ExpertUses | None = None,
    theme: Theme = "light",
) -> Figure:
    """Draw one cell for each token in each layer.

    Args:
        expert_ids: [layers, tokens, largest k], the experts that ran, strongest first.
        probabilities: [layers, tokens, experts], the router's.
        tokens: their visible text, [tokens].
        layer_ids: the layers, counted over all blocks, [layers].
        first: the position of the first token.
        uses: what the experts are used for, for their colors.
        theme: the theme on the screen.
    """
    layers, _, experts = probabilities.shape
    strongest = expert_ids[..., 0].astype(np.int64)
    best = np.take_along_axis(probabilities, strongest[..., None], axis=-1)[..., 0]
    places = [(list(layer_ids).index(layer), str(layer)) for layer in named_layers(layer_ids)]
    scale = color_scale(experts, theme, uses)
    return Figure(
        alt=_sentence(strongest, tokens, layer_ids),
        height=70 + 16 * layers,
        margin=(6, 12, 58, 44),
        x=(token_axis(tokens, first=first),),
        y=Axis((layers - 0.4, -0.6), places, "layer"),
        marks=(
            Cells(
                [
                    [color_place(expert, layer, uses) % len(scale) for expert in row]
                    for layer, row in zip(layer_ids, strongest.tolist(), strict=True)
                ],
                first=(0, first),
                scale=scale,
                span=(0.0, float(len(scale) - 1)),
                gaps=(1, 1),
                hover=(
                    "token {column}\nexpert {row}·{expert id}, strongest of {experts that ran}: "
                    "{probability}\nmass of all that ran {mass}"
                ),
                numbers=("layer", "token", "color"),
                rows=list(layer_ids),
                columns=[
                    f"{place} {shorten(visible(token), 16)}"
                    for place, token in enumerate(tokens, first)
                ],
                more={
                    "expert id": strongest.tolist(),
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
    used = sum(len(np.unique(each)) for each in strongest)
    return (
        f"Map of the strongest expert of {len(tokens)} tokens in {len(layer_ids)} layers: "
        f"{used} different experts; the last token has expert "
        f"{layer_ids[row]}·{strongest[row, column]} in layer {layer_ids[row]}."
    )
