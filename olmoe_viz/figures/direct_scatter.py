"""What each expert adds to a logit directly against what it does as measured: a dot an expert."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.figures.figure import Figure
from olmoe_viz.figures.labels import expert_name, number
from olmoe_viz.figures.marks import Axis, Line, around_zero, ticks
from olmoe_viz.figures.palette import Theme


def figure(
    direct: NDArray[np.float64],
    measured: NDArray[np.float64],
    *,
    layers: Sequence[int],
    experts: Sequence[int],
    opposite: NDArray[np.bool_],
    titles: tuple[str, str],
    layer: int,
    theme: Theme = "light",
) -> Figure:
    """Draw all experts that ran for a token, those of one layer in the accent.

    Args:
        direct: what each adds directly, [experts].
        measured: what it does as measured, [experts].
        layers: of the experts, counted over all blocks.
        experts: their ids.
        opposite: where measuring says the opposite: squares.
        titles: of the two, with their units.
        layer: the chosen one.
        theme: the theme on the screen.
    """
    chosen = np.array(layers) == layer
    names = [expert_name(each, at) for each, at in zip(experts, layers, strict=True)]
    words = [
        f"expert {name}\n{titles[0]} {number(one, '+.3g')}\n{titles[1]} {number(other, '+.3g')}"
        for name, one, other in zip(names, direct.tolist(), measured.tolist(), strict=True)
    ]

    def dots(which: NDArray[np.bool_], name: str, color: str, *, square: bool) -> Line | None:
        at = np.flatnonzero(which).tolist()
        if not at:
            return None
        return Line(
            direct[at].tolist(),
            measured[at].tolist(),
            color,
            [words[each] for each in at],
            width=0,
            dots=[10 if square else 8] * len(at),
            fills=[color if color == "accent" else "paper"] * len(at),
            shape="square" if square else "circle",
            name=name,
            numbers={
                "layer": [int(layers[each]) for each in at],
                "expert id": [int(experts[each]) for each in at],
                titles[0]: direct[at].tolist(),
                titles[1]: measured[at].tolist(),
            },
        )

    parts = (
        dots(~chosen & ~opposite, "other layers", "muted", square=False),
        dots(~chosen & opposite, "other layers, opposite", "ink", square=True),
        dots(chosen & ~opposite, f"layer {layer}", "accent", square=False),
        dots(chosen & opposite, f"layer {layer}, opposite", "accent", square=True),
    )
    across, up = (around_zero(values.tolist(), 0.08) for values in (direct, measured))
    return Figure(
        alt=_sentence(direct, measured, names, opposite),
        height=380,
        margin=(12, 16, 84, 70),
        x=(Axis(across, ticks(*across), titles[0]),),
        y=Axis(up, ticks(*up), titles[1]),
        marks=tuple(part for part in parts if part is not None),
        theme=theme,
    )


def _sentence(
    direct: NDArray[np.float64],
    measured: NDArray[np.float64],
    names: Sequence[str],
    opposite: NDArray[np.bool_],
) -> str:
    """One sentence for a person who cannot see the dots."""
    said, found = int(np.abs(direct).argmax()), int(np.abs(measured).argmax())
    return (
        f"Measured against direct of {len(names)} experts: directly {names[said]} does most, "
        f"{number(float(direct[said]), '+.3g')}, measured {number(float(measured[said]), '+.3g')}; "
        f"measured {names[found]}, {number(float(measured[found]), '+.3g')}, directly "
        f"{number(float(direct[found]), '+.3g')}; {int(opposite.sum())} are marked as opposite."
    )
