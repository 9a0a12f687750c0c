"""How even the router's choice would be at other temperatures; the model uses 1."""

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.figures.figure import Figure
from olmoe_viz.figures.labels import digits
from olmoe_viz.figures.marks import Axis, Line, Note, Rule, ticks
from olmoe_viz.figures.palette import Theme


def figure(
    temperatures: NDArray[np.float64],
    entropies: NDArray[np.float64],
    *,
    uniform: float,
    theme: Theme = "light",
) -> Figure:
    """Entropy over temperature, temperature 1 and the entropy of an even choice marked.

    Args:
        temperatures: [points], rising, among them 1.
        entropies: [points], in nats, of softmax(logits / temperature).
        uniform: the natural logarithm of the number of experts.
        theme: the theme on the screen.
    """
    here = float(np.interp(1.0, temperatures, entropies))
    points = list(zip(temperatures.tolist(), entropies.tolist(), strict=True))
    span = (0.0, uniform * 1.12)
    return Figure(
        alt=_sentence(here, uniform=uniform),
        height=250,
        margin=(10, 16, 44, 48),
        x=(
            Axis(
                (float(temperatures[0]), float(temperatures[-1])),
                [(at, f"{at:g}") for at in (0.25, 0.5, 1, 2, 4)],
                "temperature",
                log=True,
            ),
        ),
        y=Axis(span, ticks(*span), "entropy, nats"),
        marks=(
            Line(
                temperatures.tolist(),
                entropies.tolist(),
                "ink",
                [f"temperature {at:.2f}\nentropy {height:.3g} nats" for at, height in points],
                width=1.75,
                numbers={
                    "temperature": temperatures.tolist(),
                    "entropy, nats": entropies.tolist(),
                },
            ),
            Line(
                [1.0],
                [here],
                "accent",
                [f"the model: temperature 1\nentropy {here:.4g} nats"],
                width=0,
                dots=[10],
            ),
        ),
        rules=[Rule("y", uniform, "muted", dotted=True)],
        notes=[
            Note(f"even choice: {digits(uniform)}", 0, uniform, "x", shift=(2, -9)),
            Note(f"{digits(here)} at 1", 1, here, shift=(10, 11), color="accent"),
        ],
        theme=theme,
    )


def _sentence(entropy: float, *, uniform: float) -> str:
    """One sentence for a person who cannot see the line."""
    return (
        f"Entropy of the router's choice over temperature: {digits(entropy)} nats at temperature "
        f"1, which the model uses, of {digits(uniform)} for an even choice."
    )
