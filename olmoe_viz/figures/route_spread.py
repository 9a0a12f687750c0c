"""How likely a token is by each of many routes through one layer, beside the route that ran."""

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.figures.figure import Figure
from olmoe_viz.figures.labels import digits, visible
from olmoe_viz.figures.marks import Axis, Line, Note, Rule, every, ticks
from olmoe_viz.figures.palette import Theme


def figure(
    probabilities: NDArray[np.float64], *, ran: float, token: str, theme: Theme = "light"
) -> Figure:
    """Draw the routes by falling probability of the token; the route that ran is a line.

    Args:
        probabilities: by the routes that were drawn, [routes].
        ran: by the route that ran.
        token: the token, shown as it is.
        theme: the theme on the screen.
    """
    falling = np.sort(probabilities)[::-1].tolist()
    count, name = len(falling), visible(token)
    low, high = min(falling[-1], ran), max(falling[0], ran)
    room = 0.08 * (high - low) or 0.01
    span = (max(low - room, 0.0), high + room)
    places = list(range(1, count + 1))
    return Figure(
        alt=_sentence(falling, ran, name),
        height=260,
        margin=(24, 16, 44, 62),
        x=(Axis((0, count + 1), every(8, count + 1)[1:], "routes, by falling probability"),),
        y=Axis(span, ticks(*span), f"probability of {name}"),
        marks=(
            Line(
                places,
                falling,
                "ink",
                [f"route {at}\nprobability of {name} {digits(falling[at - 1])}" for at in places],
                width=0,
                dots=[8] * count,
                fills=["paper"] * count,
                numbers={"route": places, "probability": falling},
            ),
        ),
        rules=[Rule("y", ran, "accent", width=2)],
        notes=[
            Note(
                f"— the route that ran, {digits(ran)}",
                1,
                1,
                "xy",
                anchor="end",
                shift=(0, -12),
                color="accent",
            )
        ],
        numbers={"the route that ran": [ran]},
        theme=theme,
    )


def _sentence(falling: list[float], ran: float, name: str) -> str:
    """One sentence for a person who cannot see the dots."""
    return (
        f"Probability of {name} by {len(falling)} routes, from {digits(falling[-1])} to "
        f"{digits(falling[0])}; the route that ran gives it {digits(ran)}."
    )
