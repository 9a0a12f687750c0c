"""How much each expert was asked against how much it mattered: a dot an expert, on two log axes."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.figures.figure import Figure
from olmoe_viz.figures.labels import digits, expert_name, visible
from olmoe_viz.figures.marks import Axis, Line, Tick
from olmoe_viz.figures.palette import Theme

_LEAST = 1e-7  # nats; below it an effect is drawn at the edge: sums in float32 are no finer


def figure(
    weights: NDArray[np.float64],
    effects: NDArray[np.float64],
    *,
    layers: Sequence[int],
    experts: Sequence[int],
    new_tops: Sequence[str],
    ceiling: NDArray[np.float64],
    layer: int,
    theme: Theme = "light",
) -> Figure:
    """Draw all experts that ran for a token, those of one layer in the accent.

    Args:
        weights: [experts], above zero.
        effects: KL in nats without the expert, [experts].
        layers: of the experts, counted over all blocks.
        experts: their ids.
        new_tops: the token that is the likeliest without the expert, where it is another, else "".
        ceiling: what 97.5% of the control's draws stay below, [experts]; their median is a line.
        layer: the chosen one.
        theme: the theme on the screen.
    """
    heights = np.maximum(effects, _LEAST)
    spans = [_span(weights), _span(np.append(heights, np.maximum(ceiling, _LEAST)))]
    chosen, flipped = np.array(layers) == layer, np.array([bool(top) for top in new_tops])
    words = [
        f"expert {expert_name(expert, at)}\nweight {digits(weight)}\neffect {digits(effect)} nats"
        + (f"\nwithout it ‘{visible(top)}’ is the likeliest next token" if top else "")
        for expert, at, weight, effect, top in zip(
            experts, layers, weights.tolist(), effects.tolist(), new_tops, strict=True
        )
    ]

    def dots(which: NDArray[np.bool_], name: str, color: str, *, square: bool) -> Line | None:
        at = np.flatnonzero(which).tolist()
        if not at:
            return None
        return Line(
            weights[at].tolist(),
            heights[at].tolist(),
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
                "weight": weights[at].tolist(),
                "effect, nats of KL": effects[at].tolist(),
                "control, 97.5%": ceiling[at].tolist(),
            },
        )

    parts = (
        dots(~chosen & ~flipped, "other layers", "muted", square=False),
        dots(~chosen & flipped, "other layers, flips", "ink", square=True),
        dots(chosen & ~flipped, f"layer {layer}", "accent", square=False),
        dots(chosen & flipped, f"layer {layer}, flips", "accent", square=True),
    )
    return Figure(
        alt=_sentence(weights, effects, layers, experts),
        height=380,
        margin=(12, 16, 84, 70),
        x=(Axis(spans[0], _ticks(spans[0]), "weight", log=True),),
        y=Axis(spans[1], _ticks(spans[1]), "effect, nats of KL", log=True),
        marks=(_control(weights, ceiling), *(part for part in parts if part is not None)),
        theme=theme,
    )


def _control(weights: NDArray[np.float64], ceiling: NDArray[np.float64]) -> Line:
    """The control's upper end by weight: its median over eighths of the experts."""
    groups = np.array_split(np.argsort(weights, kind="stable"), min(8, len(weights)))
    x = [float(np.median(weights[group])) for group in groups]
    y = [max(float(np.median(ceiling[group])), _LEAST) for group in groups]
    return Line(
        x,
        y,
        "ink",
        [f"97.5% of random directions change less than {digits(each)} nats" for each in y],
        width=1.25,
        dash="dash",
        name="97.5% of the control",
        numbers={"weight": x, "control, 97.5%": y},
    )


def _span(values: NDArray[np.float64]) -> tuple[float, float]:
    return float(values.min()) / 1.3, float(values.max()) * 1.3


def _ticks(span: tuple[float, float]) -> list[Tick]:
    """Powers of ten, and where fewer than three fit, twice and five times them as well."""
    low, high = span
    powers = [10.0**power for power in range(math.floor(math.log10(low)), 2)]
    inside = [each for each in powers if low <= each <= high]
    if len(inside) < 3:
        inside = [
            each * times for each in powers for times in (1, 2, 5) if low <= each * times <= high
        ]
    return [(each, f"{each:g}".replace("e-0", "e−")) for each in inside]


def _sentence(
    weights: NDArray[np.float64],
    effects: NDArray[np.float64],
    layers: Sequence[int],
    experts: Sequence[int],
) -> str:
    """One sentence for a person who cannot see the dots."""
    asked, mattered = int(weights.argmax()), int(effects.argmax())

    def name(at: int) -> str:
        return expert_name(int(experts[at]), int(layers[at]))

    return (
        f"Effect against weight of {len(weights)} experts: {name(asked)} has the highest weight, "
        f"{digits(float(weights[asked]))}, with an effect of {digits(float(effects[asked]))} nats; "
        f"{name(mattered)} has the greatest effect, {digits(float(effects[mattered]))} nats, with "
        f"a weight of {digits(float(weights[mattered]))}."
    )
