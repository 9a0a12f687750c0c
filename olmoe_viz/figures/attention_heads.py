"""Where each attention head of one token looks: heads down, earlier tokens across."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.figures.figure import Figure
from olmoe_viz.figures.labels import digits
from olmoe_viz.figures.marks import Axis, Cells, ColorBar, rounded, ticks
from olmoe_viz.figures.palette import SEQUENTIAL, Theme
from olmoe_viz.figures.token_axis import token_axis

_NUMBERS = ("head", "position", "attention")
_MEAN = -2  # the row of the mean, one row apart from the heads


def figure(
    weights: NDArray[np.float32], *, tokens: Sequence[str], theme: Theme = "light"
) -> Figure:
    """Draw the mean over the heads as the first row, then one row a head.

    Args:
        weights: [heads, positions], attention of one token to itself and those before it; each
            row sums to 1.
        tokens: one name for each token of the prompt; those after the last weight, which no head
            can see, have no place.
        theme: the theme on the screen.
    """
    heads, positions = weights.shape
    most = max(float(weights.max()), 1e-6)
    gaps = (1 if positions <= 128 else 0, 1)
    scale, words = SEQUENTIAL[theme], "position {column}\nattention {value}"
    mean = weights.mean(axis=0, keepdims=True)
    return Figure(
        alt=_sentence(weights, tokens=tokens),
        height=90 + 17 * (heads + 2),
        margin=(6, 76, 54, 52),
        x=(token_axis(tokens[:positions]),),
        y=Axis(
            (heads - 0.5, -2.6),
            [(_MEAN, "mean"), *((head, str(head)) for head in range(heads))],
            "head",
            bare=True,
        ),
        marks=(
            Cells(
                rounded(mean),
                (_MEAN, 0),
                scale,
                (0, most),
                gaps,
                f"mean\n{words}",
                _NUMBERS,
                rows=["mean"],
            ),
            Cells(
                rounded(weights), (0, 0), scale, (0, most), gaps, f"head {{row}}\n{words}", _NUMBERS
            ),
        ),
        bar=ColorBar(scale, (0, most), ticks(0, most, 4), "attention"),
        theme=theme,
    )


def _sentence(weights: NDArray[np.float32], *, tokens: Sequence[str]) -> str:
    """One sentence for a person who cannot see the heatmap."""
    mean = weights.mean(axis=0)
    best = int(mean.argmax())
    sharpest = int(weights.max(axis=1).argmax())
    goal = int(weights[sharpest].argmax())
    return (
        f"Heatmap of {len(weights)} heads by {weights.shape[1]} positions. The mean over the heads "
        f"is largest, {digits(float(mean[best]))}, at position {best}, {tokens[best]!r}; head "
        f"{sharpest} is the most decided, with {digits(float(weights[sharpest, goal]))} at "
        f"position {goal}."
    )
