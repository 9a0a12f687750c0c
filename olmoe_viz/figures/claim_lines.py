"""What was measured of a claim: lines over its settings, each point with its interval."""

from collections.abc import Mapping, Sequence

from olmoe_viz.figures.figure import Figure
from olmoe_viz.figures.labels import number
from olmoe_viz.figures.look import Dash
from olmoe_viz.figures.marks import Axis, Line, Rule, Shape, around_zero, ticks
from olmoe_viz.figures.palette import Theme

Values = tuple[Sequence[float], Sequence[float], Sequence[float]]  # value, low, high
_LOOKS: tuple[tuple[str, Dash, Shape], ...] = (
    ("accent", "solid", "circle"),
    ("ink", "dash", "square"),
    ("muted", "dot", "diamond"),
)


def figure(
    settings: Sequence[str],
    lines: Mapping[str, Values],
    *,
    setting: str,
    quantity: str,
    theme: Theme = "light",
) -> Figure:
    """Lines through equally wide steps; the thin bars are 95 % intervals.

    Args:
        settings: names of the steps, [n].
        lines: name of a line -> (values, low and high ends), each [n]; up to three.
        setting: what a step is.
        quantity: what is measured, with its unit.
        theme: the theme on the screen.
    """
    ends = [end for _, low, high in lines.values() for end in (*low, *high)]
    span = around_zero(ends, 0.06)
    return Figure(
        alt=_sentence(settings, lines, setting=setting, quantity=quantity),
        height=260,
        margin=(12, 16, 88 if len(lines) > 1 else 48, 62),
        x=(Axis((-0.4, len(settings) - 0.6), list(enumerate(settings)), setting),),
        y=Axis(span, ticks(*span), quantity),
        # Lines of several rules run together at small settings, so their names stand below.
        marks=tuple(
            _line(settings, name, values, setting, quantity, _LOOKS[at], named=len(lines) > 1)
            for at, (name, values) in enumerate(lines.items())
        ),
        rules=[Rule("y", 0, "line")],
        theme=theme,
    )


def _line(
    settings: Sequence[str],
    name: str,
    values: Values,
    setting: str,
    quantity: str,
    look: tuple[str, Dash, Shape],
    *,
    named: bool,
) -> Line:
    color, dash, shape = look
    found, low, high = (list(each) for each in values)
    points = zip(settings, found, low, high, strict=True)
    return Line(
        list(range(len(settings))),
        found,
        color,
        [
            f"{name}\n{setting} {at}\n{quantity}: {number(value, '.3g')}\n"
            f"95% interval {number(one, '.3g')} to {number(other, '.3g')}"
            for at, value, one, other in points
        ],
        dots=[7] * len(settings),
        shape=shape,
        dash=dash,
        spread=(low, high),
        name=name if named else "",
        numbers={
            "line": [name] * len(settings),
            setting: list(settings),
            quantity: found,
            "95% interval, low": low,
            "95% interval, high": high,
        },
    )


def _sentence(
    settings: Sequence[str], lines: Mapping[str, Values], *, setting: str, quantity: str
) -> str:
    """One sentence for a person who cannot see the lines."""
    parts = [
        f"{name} from {number(values[0], '.3g')} at {settings[0]} to "
        f"{number(values[-1], '.3g')} at {settings[-1]}"
        for name, (values, _, _) in lines.items()
    ]
    return f"Lines of {quantity} against {setting}: " + "; ".join(parts) + "."
