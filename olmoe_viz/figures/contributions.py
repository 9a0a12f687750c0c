"""What each expert adds to the block's output: the length of weight times output, for two ks."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.figures.expert_colors import expert_color
from olmoe_viz.figures.figure import Figure
from olmoe_viz.figures.labels import digits, expert_id, expert_name
from olmoe_viz.figures.marks import HOLLOW, Axis, Bars, Note, ticks
from olmoe_viz.figures.palette import Theme
from olmoe_viz.records.expert_uses import ExpertUses

_WIDTH = 0.3375
_ASIDE = 0.1875  # of the two bars of an expert from its place


def figure(
    norms: NDArray[np.float64],
    *,
    ids: Sequence[int],
    names: tuple[str, str],
    layer: int | None = None,
    uses: ExpertUses | None = None,
    theme: Theme = "light",
) -> Figure:
    """Draw two bars an expert: filled for the first policy, hollow for the second.

    Args:
        norms: [2, experts], L2 norms of weight times output; 0 where not selected.
        ids: the experts' ids, by falling router probability.
        names: the two policies in words.
        layer: of the experts, for their names.
        uses: what the experts are used for, for their colors.
        theme: the theme on the screen.
    """
    count = len(ids)
    colors = [expert_color(expert, layer, theme, uses) for expert in ids]
    span = (0.0, max(float(norms.max()) * 1.05, 1e-6))
    every = 1 if count <= 32 else 4
    return Figure(
        alt=_sentence(norms, [expert_name(expert, layer) for expert in ids], names),
        height=270,
        margin=(28, 16, 52, 58),
        x=(
            Axis(
                (-0.7, count - 0.3),
                [(at, str(ids[at])) for at in range(0, count, every)],
                f"{expert_id(layer)}, by falling probability",
                number=True,
            ),
        ),
        y=Axis(span, ticks(*span), "norm"),
        marks=tuple(
            Bars(
                at=[at + side for at in range(count)],
                low=0,
                high=[height or None for height in heights],
                width=_WIDTH,
                fills=fills,
                outlines=colors,
                hover=[
                    f"{name}\nexpert {expert_name(expert, layer)}"
                    f"\nnorm of weight × output {height:.4g}"
                    for expert, height in zip(ids, heights, strict=True)
                ],
                numbers={
                    "policy": [name] * count,
                    expert_id(layer): list(map(int, ids)),
                    "norm of weight × output": heights,
                },
            )
            for name, heights, side, fills in zip(
                names,
                norms.tolist(),
                (-_ASIDE, _ASIDE),
                (colors, [HOLLOW] * count),
                strict=True,
            )
        ),
        notes=[Note(f"■ {names[0]}     □ {names[1]}", 1, 1, "xy", anchor="end", shift=(0, -10))],
        theme=theme,
    )


def _sentence(norms: NDArray[np.float64], experts: Sequence[str], names: tuple[str, str]) -> str:
    """One sentence for a person who cannot see the bars."""
    parts = [
        f"under {name} expert {experts[int(row.argmax())]} adds most, {digits(float(row.max()))}"
        for name, row in zip(names, norms, strict=True)
    ]
    return f"Bars of what {len(experts)} experts add: " + "; ".join(parts) + "."
