"""The journey of one token: its strongest expert in every layer, and how strong it is."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.figures.expert_colors import expert_color
from olmoe_viz.figures.figure import Figure
from olmoe_viz.figures.labels import digits, expert_name
from olmoe_viz.figures.marks import Axis, Bars, Box, layer_axis, ticks
from olmoe_viz.figures.palette import Theme
from olmoe_viz.records.expert_uses import ExpertUses

_WIDTH = 0.82  # of a bar, in layers


def figure(
    expert_ids: NDArray[np.int16],
    probabilities: NDArray[np.float64],
    *,
    layer_ids: Sequence[int],
    layer: int | None = None,
    uses: ExpertUses | None = None,
    theme: Theme = "light",
) -> Figure:
    """One bar a layer: the color and id of the strongest expert, its probability as height.

    Args:
        expert_ids: [layers, largest k] of one token, as it ran, strongest first.
        probabilities: [layers, experts], its router probabilities.
        layer_ids: the layers, counted over all blocks, [layers].
        layer: the selected one of them, outlined.
        uses: what the experts are used for, for their colors.
        theme: the theme on the screen.
    """
    best, heights = _strongest(expert_ids, probabilities)
    span = (0.0, max(heights) * 1.2)
    colors = [
        expert_color(expert, at, theme, uses) for expert, at in zip(best, layer_ids, strict=True)
    ]
    bars = Bars(
        at=list(layer_ids),
        low=0,
        high=heights,
        width=_WIDTH,
        fills=colors,
        outlines=colors,
        hover=[
            f"layer {at}\nexpert {expert_name(expert, at)}\nprobability {height:.3g}"
            for at, expert, height in zip(layer_ids, best, heights, strict=True)
        ],
        names=[str(expert) for expert in best],
        numbers={"layer": list(layer_ids), "expert id": best, "probability": heights},
    )
    return Figure(
        alt=_sentence(expert_ids, probabilities, layer_ids=layer_ids),
        height=250,
        margin=(10, 16, 44, 52),
        x=(layer_axis(layer_ids, 0.7, "layer; above: id of its strongest expert"),),
        y=Axis(span, ticks(*span, most=4), "probability"),
        marks=(bars,),
        boxes=[
            _around(at, height)
            for at, height in zip(layer_ids, heights, strict=True)
            if at == layer
        ],
        theme=theme,
    )


def _strongest(
    expert_ids: NDArray[np.int16], probabilities: NDArray[np.float64]
) -> tuple[list[int], list[float]]:
    best = expert_ids[:, 0].astype(np.int64)
    return best.tolist(), probabilities[np.arange(len(best)), best].tolist()


def _around(layer: int, height: float) -> Box:
    return Box((layer - _WIDTH / 2, layer + _WIDTH / 2, height, 0), "ink")


def _sentence(
    expert_ids: NDArray[np.int16],
    probabilities: NDArray[np.float64],
    *,
    layer_ids: Sequence[int],
) -> str:
    """One sentence for a person who cannot see the bars."""
    best, heights = _strongest(expert_ids, probabilities)
    top = int(np.argmax(heights))
    return (
        f"The strongest expert of this token in layers {layer_ids[0]} to {layer_ids[-1]}: "
        + ", ".join(map(expert_name, best, layer_ids))
        + f"; most decided in layer {layer_ids[top]}, probability {digits(heights[top])}."
    )
