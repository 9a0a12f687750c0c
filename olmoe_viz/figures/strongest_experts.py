"""The journey of one token: its strongest expert in every layer, and how strong it is."""

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.figures.labels import digits
from olmoe_viz.figures.palette import Theme, expert_color
from olmoe_viz.figures.plot import Axis, Bars, Box, Plot, layer_axis, ticks

_WIDTH = 0.82  # of a bar, in layers


def figure(probabilities: NDArray[np.float64], *, layer: int | None = None, theme: Theme) -> Plot:
    """One bar a layer: the color and number of the strongest expert, its probability as height.

    Args:
        probabilities: [layers, experts] of one token.
        layer: the selected layer, outlined.
        theme: the theme on the screen.
    """
    layers = len(probabilities)
    best = probabilities.argmax(axis=1).tolist()
    heights = probabilities.max(axis=1).tolist()
    span = (0.0, max(heights) * 1.2)
    colors = [expert_color(expert, theme) for expert in best]
    bars = Bars(
        at=list(range(layers)),
        low=0,
        high=heights,
        width=_WIDTH,
        fills=colors,
        outlines=colors,
        hover=[
            f"layer {at}\nexpert {expert}\nprobability {height:.3g}"
            for at, (expert, height) in enumerate(zip(best, heights, strict=True))
        ],
        names=[str(expert) for expert in best],
    )
    return Plot(
        height=250,
        margin=(10, 16, 44, 52),
        x=(layer_axis(layers, 0.7),),
        y=Axis(span, ticks(*span, most=4), "probability"),
        marks=(bars,),
        boxes=[] if layer is None else [_around(layer, heights[layer])],
    )


def _around(layer: int, height: float) -> Box:
    return Box((layer - _WIDTH / 2, layer + _WIDTH / 2, height, 0), "ink")


def describe(probabilities: NDArray[np.float64]) -> str:
    """One sentence for a person who cannot see the bars."""
    best = probabilities.argmax(axis=1)
    top = int(probabilities.max(axis=1).argmax())
    return (
        f"The strongest expert of this token in layers 0 to {len(best) - 1}: "
        + ", ".join(str(e) for e in best)
        + f"; most decided in layer {top}, probability {digits(float(probabilities[top].max()))}."
    )
