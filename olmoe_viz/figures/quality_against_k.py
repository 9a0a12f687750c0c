"""Bits per byte against k, a line for each weighting, with the interval of each point."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.figures.figure import Figure
from olmoe_viz.figures.look import Dash
from olmoe_viz.figures.marks import Axis, Line, Note, Rule, Shape, ticks
from olmoe_viz.figures.palette import Theme

Floats = NDArray[np.float64]
Lines = Mapping[str, tuple[Floats, Floats, Floats]]  # bits per byte, low, high
_LOOKS: tuple[tuple[str, Dash, Shape], ...] = (
    ("accent", "solid", "circle"),
    ("ink", "dash", "square"),
    ("muted", "dot", "diamond"),
)


def figure(
    ks: Sequence[int],
    lines: Lines,
    *,
    trained_k: int,
    theme: Theme = "light",
) -> Figure:
    """Lines over k on a logarithmic axis; the trained k is marked.

    Args:
        ks: numbers of experts, rising, [n].
        lines: name of a weighting -> (bits per byte, low, high), each [n].
        trained_k: the k the model was trained with.
        theme: the theme on the screen.
    """
    ends = np.concatenate([end for _, low, high in lines.values() for end in (low, high)])
    room = 0.05 * (float(np.ptp(ends)) or 1.0)
    span = (float(ends.min()) - room, float(ends.max()) + room)
    return Figure(
        alt=_sentence(ks, lines, trained_k=trained_k),
        height=340,
        margin=(28, 16, 88, 58),
        x=(
            Axis(
                (ks[0] / 1.1, ks[-1] * 1.1),
                [(k, str(k)) for k in ks],
                "k, experts per token",
                log=True,
            ),
        ),
        y=Axis(span, ticks(*span), "bits per byte, lower is better"),
        # The lines cross and run together, so no end of a line is a good place for its name.
        marks=tuple(
            _line(ks, name, *values, look=_LOOKS[index % len(_LOOKS)])
            for index, (name, values) in enumerate(lines.items())
        ),
        rules=[Rule("x", trained_k, "line")],
        notes=[
            Note(
                f"trained with k = {trained_k}", trained_k, 1, "y", anchor="middle", shift=(0, -10)
            )
        ],
        theme=theme,
    )


def _line(
    ks: Sequence[int],
    name: str,
    bits: Floats,
    low: Floats,
    high: Floats,
    *,
    look: tuple[str, Dash, Shape],
) -> Line:
    color, dash, shape = look
    points = list(zip(ks, bits.tolist(), low.tolist(), high.tolist(), strict=True))
    return Line(
        list(ks),
        bits.tolist(),
        color,
        [
            f"{name}, k = {k}\n{value:.4f} bits per byte\n95% interval {least:.4f} to {most:.4f}"
            for k, value, least, most in points
        ],
        dots=[8] * len(ks),
        shape=shape,
        dash=dash,
        spread=(low.tolist(), high.tolist()),
        name=name,
        numbers={
            "weighting": [name] * len(ks),
            "k": list(ks),
            "bits per byte": bits.tolist(),
            "95% interval, low": low.tolist(),
            "95% interval, high": high.tolist(),
        },
    )


def _sentence(ks: Sequence[int], lines: Lines, *, trained_k: int) -> str:
    """One sentence for a person who cannot see the lines."""
    at, last = list(ks).index(trained_k), len(ks) - 1
    parts = [
        f"{name} {bits[at]:.3f} at k = {trained_k} and {bits[last]:.3f} at k = {ks[last]}"
        for name, (bits, _, _) in lines.items()
    ]
    return "Bits per byte against k: " + "; ".join(parts) + "."
