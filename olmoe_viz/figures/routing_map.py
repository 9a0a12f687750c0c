"""The routing map as a still picture: tokens across, layers down, one expert in each cell.

For routes of which nothing but the ids is known, too: those that other tools return. The color is
that of the layer and the id, as on every page.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.figures.expert_colors import color_place, color_scale
from olmoe_viz.figures.figure import Figure
from olmoe_viz.figures.labels import shorten, visible
from olmoe_viz.figures.marks import Axis, Cells, named_layers, rounded
from olmoe_viz.figures.palette import Theme
from olmoe_viz.figures.token_axis import token_axis
from olmoe_viz.records.expert_uses import ExpertUses


def figure(
    expert_ids: NDArray[np.int16],
    *,
    tokens: Sequence[str],
    layer_ids: Sequence[int],
    known: Mapping[str, NDArray[np.float64]] | None = None,
    first: int = 0,
    uses: ExpertUses | None = None,
    theme: Theme = "light",
) -> Figure:
    """Draw one cell for each token in each layer, in the color of its first expert.

    Args:
        expert_ids: [layers, tokens, largest k], the experts that ran, the first one named first; -1
            for none.
        tokens: their visible text, or their places where it is not known, [tokens].
        layer_ids: the layers, counted over all blocks, [layers].
        known: what is known of the first expert of each cell, by its name, [layers, tokens].
        first: the position of the first token.
        uses: what the experts are used for, for their colors.
        theme: the theme on the screen.
    """
    ids = expert_ids[..., 0].astype(np.int64)
    scale = color_scale(int(expert_ids.max()) + 1, theme, uses)
    places = [(list(layer_ids).index(layer), str(layer)) for layer in named_layers(layer_ids)]
    known = known or {}
    lines = ["token {column}", "expert {row}·{expert id}, the first of {experts that ran}"]
    return Figure(
        alt=_sentence(ids, layer_ids),
        height=70 + 16 * len(layer_ids),
        margin=(6, 12, 58, 44),
        x=(token_axis(tokens, first=first),),
        y=Axis((len(layer_ids) - 0.4, -0.6), places, "layer"),
        marks=(
            Cells(
                [
                    [
                        color_place(expert, layer, uses) % len(scale) if expert >= 0 else None
                        for expert in row
                    ]
                    for layer, row in zip(layer_ids, ids.tolist(), strict=True)
                ],
                first=(0, first),
                scale=scale,
                span=(0.0, float(len(scale) - 1)),
                gaps=(1, 1),
                hover="\n".join([*lines, *(f"{name} {{{name}}}" for name in known)]),
                numbers=("layer", "token", "color"),
                rows=list(layer_ids),
                columns=[
                    f"{place} {shorten(visible(token), 16)}"
                    for place, token in enumerate(tokens, first)
                ],
                more={
                    "expert id": ids.tolist(),
                    "experts that ran": (expert_ids >= 0).sum(axis=-1).tolist(),
                    **{name: rounded(values) for name, values in known.items()},
                },
            ),
        ),
        theme=theme,
    )


def _sentence(ids: NDArray[np.int64], layer_ids: Sequence[int]) -> str:
    """One sentence for a person who cannot see the map."""
    layers, tokens = ids.shape
    experts = sum(len(np.unique(row[row >= 0])) for row in ids)
    return (
        f"Map of the first expert of {tokens} tokens in {layers} layers: {experts} different "
        f"experts; the last token has expert {layer_ids[0]}·{ids[0, -1]} in layer {layer_ids[0]}."
    )
