"""The whole causal map of one attention head: the looking token down, the seen token across."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.figures.figure import Figure
from olmoe_viz.figures.labels import digits
from olmoe_viz.figures.marks import Box, Cells, ColorBar, rounded, ticks
from olmoe_viz.figures.palette import SEQUENTIAL, Theme
from olmoe_viz.figures.token_axis import token_axis


def figure(
    weights: NDArray[np.float32],
    *,
    tokens: Sequence[str],
    first: int = 0,
    token: int | None = None,
    head: int,
    theme: Theme = "light",
) -> Figure:
    """Draw the weights on and below the diagonal; above it nothing can be seen.

    Args:
        weights: [tokens, tokens] of one head, from `first` on.
        tokens: their names.
        first: position of the first token shown.
        token: position of the selected token, its row outlined.
        head: its number.
        theme: the theme on the screen.
    """
    count = len(weights)
    shown = np.where(np.tri(count, dtype=bool), weights, np.nan)
    most = max(float(weights.max()), 1e-6)
    inside = token is not None and first <= token < first + count
    return Figure(
        alt=_sentence(weights, head=head),
        height=min(120 + 20 * count, 720),
        margin=(6, 76, 60, 96),
        x=(token_axis(tokens, first=first),),
        y=token_axis(tokens, first=first, down=True),
        marks=(
            Cells(
                rounded(shown),
                first=(first, first),
                scale=SEQUENTIAL[theme],
                span=(0, most),
                gaps=(0, 0),
                hover="{row} looks at {column}\nattention {value}",
                numbers=("position", "position it looks at", "attention"),
            ),
        ),
        boxes=[Box((first - 0.5, token + 0.5, token - 0.5, token + 0.5))]
        if inside and token is not None
        else [],
        bar=ColorBar(SEQUENTIAL[theme], (0, most), ticks(0, most, 4), "attention"),
        theme=theme,
    )


def _sentence(weights: NDArray[np.float32], *, head: int) -> str:
    """One sentence for a person who cannot see the map."""
    own = float(np.diagonal(weights).mean())
    first = float(weights[:, 0].mean())
    return (
        f"Causal attention map of head {head} over {len(weights)} tokens: on the mean a token "
        f"gives {digits(own)} to itself and {digits(first)} to the first token shown."
    )
