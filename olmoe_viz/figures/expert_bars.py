"""One number for each of several experts, as bars in the experts' own colors."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.figures.expert_colors import expert_color
from olmoe_viz.figures.figure import Figure
from olmoe_viz.figures.labels import digits, expert_id, expert_name
from olmoe_viz.figures.marks import Axis, Bars, Note, Rule, every, ticks
from olmoe_viz.figures.palette import Theme
from olmoe_viz.records.expert_uses import ExpertUses


def figure(
    values: NDArray[np.float64],
    *,
    ids: Sequence[int],
    quantity: str,
    level: tuple[float, str] | None = None,
    also: tuple[str, NDArray[np.float64]] | None = None,
    base: float = 0.0,
    height: int = 250,
    layer: int | None = None,
    uses: ExpertUses | None = None,
    theme: Theme = "light",
) -> Figure:
    """Draw one bar an expert, in the order given.

    Every bar has its id at its end; of more than 32 only the eight with the largest values do, and
    the axis names ids, so that `ids` must then be 0, 1, 2 and so on.

    Args:
        values: [experts shown].
        ids: their ids.
        quantity: name and unit of the vertical axis.
        level: a value to mark by a dotted line, and its words.
        also: a second quantity for the hover text, its name and its values.
        base: where the bars start.
        height: in pixels.
        layer: of the experts, for their names.
        uses: what the experts are used for, for their colors.
        theme: the theme on the screen.
    """
    count = len(ids)
    colors = [expert_color(expert, layer, theme, uses) for expert in ids]
    few = count <= 32
    named = set(range(count) if few else np.argsort(-values, kind="stable")[:8].tolist())
    low, high = min(float(values.min()), base), max(float(values.max()), base)
    room = 0.14 * (high - low or 1.0)
    # Below the words about the level there is room for the id of the highest bar.
    span = (low - room * (low < base), high + room * (2 if level else 1))
    hover = [
        f"expert {expert_name(expert, layer)}\n{quantity} {value:.4g}"
        for expert, value in zip(ids, values.tolist(), strict=True)
    ]
    if uses is not None and layer is not None:
        said = [uses.words(expert, layer) for expert in ids]
        hover = [f"{words}\n{use}" for words, use in zip(hover, said, strict=True)]
    if also:
        seconds = zip(hover, also[1].tolist(), strict=True)
        hover = [f"{words}\n{also[0]} {second:.3g}" for words, second in seconds]
    bars = Bars(
        at=list(range(count)),
        low=base,
        high=values.tolist(),
        width=0.82,
        fills=colors,
        outlines=colors,
        hover=[words.replace("-", "−") for words in hover],
        names=[str(expert) if at in named else "" for at, expert in enumerate(ids)],
        numbers={expert_id(layer): list(map(int, ids)), quantity: values.tolist()}
        | ({also[0]: also[1].tolist()} if also else {}),
    )
    return Figure(
        alt=_sentence(values, [expert_name(expert, layer) for expert in ids], quantity),
        height=height,
        margin=(10, 16, 34 if few else 44, 58),
        x=(
            Axis(
                (-0.7, count - 0.3),
                [] if few else every(8, count),
                expert_id(layer) + ", at the bar" * few,
            ),
        ),
        y=Axis(span, ticks(*span), quantity),
        marks=(bars,),
        rules=[
            *([Rule("y", base, "line")] if low < base else []),
            *([Rule("y", level[0], "ink", dotted=True)] if level else []),
        ],
        notes=[Note(level[1], 0.01, 1, "xy", shift=(0, 8))] if level else [],
        theme=theme,
    )


def _sentence(values: NDArray[np.float64], names: Sequence[str], quantity: str) -> str:
    """One sentence for a person who cannot see the bars."""
    top, low = int(values.argmax()), int(values.argmin())
    return (
        f"Bars of {quantity} for {len(names)} experts: most {digits(float(values[top]))} at expert "
        f"{names[top]}, least {digits(float(values[low]))} at expert {names[low]}."
    )
