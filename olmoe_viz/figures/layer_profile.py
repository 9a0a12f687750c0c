"""One quantity of one run over the layers: a small figure made to stand beside its likes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.figures.figure import Figure
from olmoe_viz.figures.labels import digits
from olmoe_viz.figures.marks import Axis, Line, Note, layer_axis, ticks
from olmoe_viz.figures.palette import Theme


def figure(
    values: NDArray[np.float64],
    *,
    quantity: str,
    layer_ids: Sequence[int],
    high: float = 1.0,
    name: str = "",
    theme: Theme = "light",
) -> Figure:
    """A line over the layers, filled to zero, its mean written at the upper right.

    Args:
        values: [layers].
        quantity: name and unit, for the hover text.
        layer_ids: the layers, counted over all blocks, [layers].
        high: upper end of the axis, the same in neighboring figures.
        name: the run, for the sentence.
        theme: the theme on the screen.
    """
    line = Line(
        list(layer_ids),
        values.tolist(),
        "ink",
        [
            f"layer {layer}\n{quantity} {value:.3g}"
            for layer, value in zip(layer_ids, values.tolist(), strict=True)
        ],
        width=1.75,
        steps=True,
        area="panel",
        numbers={"layer": list(layer_ids), quantity: values.tolist()},
    )
    return Figure(
        alt=_sentence(
            values, quantity=f"{quantity} at {name}" if name else quantity, layer_ids=layer_ids
        ),
        height=150,
        margin=(22, 8, 40, 36),
        x=(layer_axis(layer_ids, 0),),
        y=Axis((0, high * 1.02), ticks(0, high, 3)),
        marks=(line,),
        notes=[
            Note(f"mean {digits(float(values.mean()))}", 1, 1, "xy", anchor="end", shift=(0, -10))
        ],
        theme=theme,
    )


def _sentence(values: NDArray[np.float64], *, quantity: str, layer_ids: Sequence[int]) -> str:
    """One sentence for a person who cannot see the line."""
    low, top = int(values.argmin()), int(values.argmax())
    return (
        f"Line of {quantity} over {len(values)} layers: mean {digits(float(values.mean()))}, least "
        f"{digits(float(values[low]))} in layer {layer_ids[low]}, most "
        f"{digits(float(values[top]))} in layer {layer_ids[top]}."
    )
