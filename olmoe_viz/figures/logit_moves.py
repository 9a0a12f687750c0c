"""How far each layer moves the logits of two tokens: two bars a layer, one filled, one hollow."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.figures import paired_bars
from olmoe_viz.figures.figure import Figure
from olmoe_viz.figures.labels import digits, number
from olmoe_viz.figures.marks import Axis, Rule, around_zero, layer_axis, ticks
from olmoe_viz.figures.palette import Theme


def figure(
    moves: NDArray[np.float64],
    *,
    names: tuple[str, str],
    layer_ids: Sequence[int],
    theme: Theme = "light",
) -> Figure:
    """Bars up for a token that gains, down for one that loses.

    Args:
        moves: [layers, 2], in logits.
        names: the two tokens, shown as they are.
        layer_ids: the layers, counted over all blocks, [layers].
        theme: the theme on the screen.
    """
    count = len(layer_ids)
    span = around_zero(moves.ravel().tolist(), 0.06)
    return Figure(
        alt=_sentence(moves, names=names, layer_ids=layer_ids),
        height=270,
        margin=(28, 16, 44, 52),
        x=(layer_axis(layer_ids, 0.7),),
        y=Axis(span, ticks(*span), "change of the logit"),
        marks=paired_bars.pair(
            layer_ids,
            moves.T,
            hover=[
                [
                    f"layer {layer}\nlogit of {name} {number(move, '+.3g')}"
                    for layer, move in zip(layer_ids, column.tolist(), strict=True)
                ]
                for name, column in zip(names, moves.T, strict=True)
            ],
            numbers=[
                {
                    "token": [name] * count,
                    "layer": list(layer_ids),
                    "change of the logit": column.tolist(),
                }
                for name, column in zip(names, moves.T, strict=True)
            ],
        ),
        rules=[Rule("y", 0, "line")],
        notes=[paired_bars.key(names)],
        theme=theme,
    )


def _sentence(
    moves: NDArray[np.float64], *, names: tuple[str, str], layer_ids: Sequence[int]
) -> str:
    """One sentence for a person who cannot see the bars."""
    parts = []
    for name, row in zip(names, moves.T, strict=True):
        most = int(np.abs(row).argmax())
        parts.append(
            f"{name} by {digits(float(row.sum()))} in all, most in layer {layer_ids[most]} with "
            f"{digits(float(row[most]))}"
        )
    return f"Bars of how far {len(moves)} layers move two logits: {'; '.join(parts)}."
