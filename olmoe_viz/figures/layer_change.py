"""How far one run is from another after each block: one line, the chosen layer marked."""

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.figures import layer_lines
from olmoe_viz.figures.figure import Figure
from olmoe_viz.figures.marks import Axis, Line, Note, Rule, layer_axis, ticks
from olmoe_viz.figures.palette import Theme


def figure(
    values: NDArray[np.float64], *, name: str, quantity: str, layer: int, theme: Theme = "light"
) -> Figure:
    """Draw the line in the accent, its name at its end.

    Args:
        values: [blocks], none below zero; one for every block of the model.
        name: what the line is.
        quantity: name and unit of the vertical axis.
        layer: the selected block.
        theme: the theme on the screen.
    """
    layers = list(range(len(values)))
    span = (0.0, max(float(values.max()) * 1.1, 1e-6))
    heights = values.tolist()
    return Figure(
        alt=_sentence(values, name=name, quantity=quantity),
        height=220,
        margin=(10, 64, 44, 52),
        x=(layer_axis(layers, 0.4),),
        y=Axis(span, ticks(*span), quantity),
        rules=[Rule("x", layer, "line")],
        marks=(
            Line(
                layers,
                heights,
                "accent",
                [f"{name}\nlayer {at}\n{quantity} {heights[at]:.3g}" for at in layers],
                dots=[9 if at == layer else 5 for at in layers],
                fills=["accent" if at == layer else "paper" for at in layers],
                numbers={"line": [name] * len(layers), "layer": layers, quantity: heights},
            ),
        ),
        notes=[Note(name, 1, heights[-1], "x", shift=(4, 0), color="accent")],
        theme=theme,
    )


def _sentence(values: NDArray[np.float64], *, name: str, quantity: str) -> str:
    """One sentence for a person who cannot see the line."""
    return layer_lines.sentence(
        values[None], names=[name], quantity=quantity, layer_ids=range(len(values))
    )
