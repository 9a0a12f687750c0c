"""When the routers settled in training: a thin line for each layer, a thick one for their mean."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.figures.figure import Figure
from olmoe_viz.figures.labels import percent
from olmoe_viz.figures.marks import Axis, Line, Note, Rule, ticks
from olmoe_viz.figures.palette import Theme

Floats = NDArray[np.float64]


def figure(
    shares: Floats,
    saturation: Floats,
    *,
    chance: float,
    layer_ids: Sequence[int],
    theme: Theme = "light",
) -> Figure:
    """Router saturation over training (arXiv 2409.02060, Eq. 5).

    Args:
        shares: how much of the training was done, 0 to 1, [checkpoints].
        saturation: share of the final top-k already chosen, 0 to 1, [checkpoints, layers].
        chance: what random choices would reach, k / experts.
        layer_ids: the layers, counted over all blocks, [layers].
        theme: the theme on the screen.
    """
    marks = ticks(0, 1, 5, percent)
    return Figure(
        alt=_sentence(shares, saturation),
        height=320,
        margin=(16, 16, 44, 62),
        x=(Axis((-0.02, 1.03), marks, "training done"),),
        y=Axis((0, 1.04), marks, "share of the final top-k"),
        marks=(
            *(
                _line(shares, column, f"layer {layer}", layer)
                for layer, column in zip(layer_ids, saturation.T, strict=True)
            ),
            _line(shares, saturation.mean(1), "mean of the layers", "mean"),
        ),
        rules=[Rule("y", chance, "muted", dotted=True)],
        notes=[Note("by chance", 1, chance, "x", anchor="end", shift=(0, -9))],
        theme=theme,
    )


def _line(shares: Floats, values: Floats, words: str, layer: int | str) -> Line:
    """One layer as a thin line, or their mean as a thick one with dots."""
    mean = layer == "mean"
    return Line(
        shares.tolist(),
        values.tolist(),
        "accent" if mean else "muted",
        [
            f"{words}\n{percent(share)} of the training\n{percent(value)} of the final choices"
            for share, value in zip(shares.tolist(), values.tolist(), strict=True)
        ],
        width=2 if mean else 1,
        dots=[7] * len(shares) if mean else [],
        numbers={
            "layer": [layer] * len(shares),
            "share of the training": shares.tolist(),
            "share of the final choices": values.tolist(),
        },
    )


def _sentence(shares: Floats, saturation: Floats) -> str:
    """One sentence for a person who cannot see the lines."""
    parts = [
        f"{mean:.0%} after {share:.0%}"
        for share, mean in zip(shares, saturation.mean(1), strict=True)
    ]
    return "Share of the final choices already made, mean of the layers: " + ", ".join(parts) + "."
