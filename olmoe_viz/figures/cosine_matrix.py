"""How alike the outputs of the selected experts are: cosines of all pairs."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.figures.figure import Figure
from olmoe_viz.figures.labels import digits, expert_id, expert_name
from olmoe_viz.figures.marks import Axis, Cells, ColorBar, rounded
from olmoe_viz.figures.palette import DIVERGING, Theme


def figure(
    cosines: NDArray[np.float64],
    *,
    ids: Sequence[int],
    layer: int | None = None,
    theme: Theme = "light",
) -> Figure:
    """Draw the matrix; 1 is the same direction, 0 unrelated, -1 opposite.

    Args:
        cosines: [experts, experts], symmetric.
        ids: the experts' ids.
        layer: of the experts, for their names.
        theme: the theme on the screen.
    """
    count = len(ids)
    before = "" if layer is None else f"{layer}·"
    words = [str(expert) for expert in ids]
    named = [(at, words[at]) for at in range(0, count, 1 if count <= 24 else 4)]
    ends = (-0.5, count - 0.5)
    return Figure(
        alt=_sentence(cosines, [expert_name(expert, layer) for expert in ids]),
        height=320,
        margin=(6, 76, 48, 52),
        x=(Axis(ends, named, expert_id(layer), bare=True, number=True),),
        y=Axis((ends[1], ends[0]), named, expert_id(layer), bare=True, number=True),
        marks=(
            Cells(
                rounded(np.where(np.tri(count, dtype=bool), cosines, np.nan)),
                first=(0, 0),
                scale=DIVERGING[theme],
                span=(-1, 1),
                gaps=(1, 1),
                hover=f"experts {before}{{row}} and {before}{{column}}\ncosine {{value}}",
                numbers=(expert_id(layer), f"other {expert_id(layer)}", "cosine"),
                rows=list(map(int, ids)),
                columns=list(map(int, ids)),
            ),
        ),
        bar=ColorBar(DIVERGING[theme], (-1, 1), [(-1, "−1"), (0, "0"), (1, "1")], "cosine"),
        theme=theme,
    )


def _sentence(cosines: NDArray[np.float64], names: Sequence[str]) -> str:
    """One sentence for a person who cannot see the matrix."""
    if len(names) < 2:
        return f"Only expert {names[0]} is selected, so that there is no pair to compare."
    pairs = cosines[np.tril_indices(len(names), -1)]
    return (
        f"Cosines between the outputs of {len(names)} experts: mean {digits(float(pairs.mean()))}, "
        f"from {digits(float(pairs.min()))} to {digits(float(pairs.max()))}."
    )
