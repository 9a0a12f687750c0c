"""How alike the outputs of the selected experts are: cosines of all pairs."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.figures.figure import Figure
from olmoe_viz.figures.labels import digits
from olmoe_viz.figures.marks import Axis, Cells, ColorBar, rounded
from olmoe_viz.figures.palette import DIVERGING, Theme


def figure(cosines: NDArray[np.float64], *, ids: Sequence[int], theme: Theme = "light") -> Figure:
    """Draw the matrix; 1 is the same direction, 0 unrelated, -1 opposite.

    Args:
        cosines: [experts, experts], symmetric.
        ids: the experts' ids.
        theme: the theme on the screen.
    """
    count = len(ids)
    words = [str(expert) for expert in ids]
    named = [(at, words[at]) for at in range(0, count, 1 if count <= 24 else 4)]
    ends = (-0.5, count - 0.5)
    return Figure(
        alt=_sentence(cosines, ids=ids),
        height=320,
        margin=(6, 76, 48, 52),
        x=(Axis(ends, named, "expert id", bare=True, number=True),),
        y=Axis((ends[1], ends[0]), named, "expert id", bare=True, number=True),
        marks=(
            Cells(
                rounded(np.where(np.tri(count, dtype=bool), cosines, np.nan)),
                first=(0, 0),
                scale=DIVERGING[theme],
                span=(-1, 1),
                gaps=(1, 1),
                hover="experts {row} and {column}\ncosine {value}",
                numbers=("expert", "other expert", "cosine"),
                rows=list(map(int, ids)),
                columns=list(map(int, ids)),
            ),
        ),
        bar=ColorBar(DIVERGING[theme], (-1, 1), [(-1, "−1"), (0, "0"), (1, "1")], "cosine"),
        theme=theme,
    )


def _sentence(cosines: NDArray[np.float64], *, ids: Sequence[int]) -> str:
    """One sentence for a person who cannot see the matrix."""
    if len(ids) < 2:
        return f"Only expert {ids[0]} is selected, so that there is no pair to compare."
    pairs = cosines[np.tril_indices(len(ids), -1)]
    return (
        f"Cosines between the outputs of {len(ids)} experts: mean {digits(float(pairs.mean()))}, "
        f"from {digits(float(pairs.min()))} to {digits(float(pairs.max()))}."
    )
