"""The most likely next tokens under two policies side by side, an arrow from place to place."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.figures.figure import Figure
from olmoe_viz.figures.labels import digits, shorten, visible
from olmoe_viz.figures.marks import Anchor, Axis, Line, Note, Numbers
from olmoe_viz.figures.palette import Theme

Side = tuple[Sequence[int], Sequence[str], NDArray[np.float64]]


def figure(left: Side, right: Side, *, names: tuple[str, str], theme: Theme = "light") -> Figure:
    """Draw two lists; a token in both is joined by an arrow, one that is new stands alone.

    Args:
        left: ids, tokens and probabilities of the first policy, most likely first.
        right: the same of the second.
        names: the two policies in words.
        theme: the theme on the screen.
    """
    count = max(len(left[0]), len(right[0]))
    places = {token: at for at, token in enumerate(right[0])}
    flips = bool(left[0]) and bool(right[0]) and left[0][0] != right[0][0]
    return Figure(
        alt=_sentence(left, right, names=names),
        height=44 + 30 * count,
        margin=(8, 4, 8, 4),
        x=(Axis((-2, 3), bare=True),),
        y=Axis((count - 0.4, -1.5), bare=True),
        marks=tuple(
            _arrow(at, places[token]) for at, token in enumerate(left[0]) if token in places
        ),
        notes=[
            *_names(left, set(right[0]), side=0, flips=flips),
            *_names(right, set(left[0]), side=1, flips=flips),
            *(_beside(name, side, -1) for side, name in enumerate(names)),
        ],
        numbers=_numbers(left, right, names),
        theme=theme,
    )


def _numbers(left: Side, right: Side, names: tuple[str, str]) -> Numbers:
    rows = [
        (name, rank, visible(text), float(share))
        for name, (_, texts, shares) in zip(names, (left, right), strict=True)
        for rank, (text, share) in enumerate(zip(texts, shares, strict=True), 1)
    ]
    columns = zip(*rows, strict=True)
    return dict(zip(("policy", "rank", "token", "probability"), columns, strict=True))


def _arrow(start: int, end: int) -> Line:
    return Line(
        [0, 1],
        [start, end],
        "ink" if start != end else "line",
        [f"rank {start + 1} to {end + 1}"] * 2,
        width=2 if start != end else 1.25,
        dots=[5, 0],
        arrow=True,
    )


def _sentence(left: Side, right: Side, *, names: tuple[str, str]) -> str:
    """One sentence for a person who cannot see the lists."""
    parts = [
        f"under {name} {side[1][0]!r} leads with {digits(float(side[2][0]))}"
        for name, side in zip(names, (left, right), strict=True)
    ]
    kept = len(set(left[0]) & set(right[0]))
    return (
        f"The {len(left[0])} most likely next tokens: {'; '.join(parts)}; {kept} are in both lists."
    )


def _names(side_values: Side, others: set[int], *, side: int, flips: bool) -> list[Note]:
    notes = []
    for at, (token, text, share) in enumerate(zip(*side_values, strict=True)):
        word = shorten(visible(text), 10)
        new = "" if token in others else "+ "
        amount = f"{100 * share:#.3g}".rstrip(".") + "%"
        first = at == 0 and flips
        notes.append(
            _beside(
                f"{new}{word}  {amount}" if side == 0 else f"{amount}  {word} {new}",
                side,
                at,
                color="accent" if first else "ink",
                number=True,
            )
        )
    return notes


def _beside(text: str, side: int, at: int, *, color: str = "muted", number: bool = False) -> Note:
    """Words left of the first column or right of the second."""
    anchor: Anchor = "end" if side == 0 else "start"
    shift = (-8 if side == 0 else 8, 0)
    size = 12 if number else 13
    return Note(text, side, at, anchor=anchor, shift=shift, color=color, size=size, number=number)
