"""How much of the difference between two runs each patch restores: a row a layer or an expert."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.figures.figure import Figure
from olmoe_viz.figures.labels import number, shorten, visible
from olmoe_viz.figures.marks import Axis, Cells, ColorBar, rounded
from olmoe_viz.figures.palette import DIVERGING, Theme

_RESTORED = "restored share of the difference"
_LETTERS = 14


def figure(
    restored: NDArray[np.float64],
    *,
    rows: Sequence[str],
    row_title: str,
    tokens: Sequence[tuple[str, str]],
    theme: Theme = "light",
) -> Figure:
    """Draw a cell a patch; the last column, set apart, is of patches at all tokens at once.

    Args:
        restored: [rows, tokens + 1], 1 where a patch makes the target the source, 0 where it
            changes nothing; what is not a number has no cell.
        rows: what the rows are called.
        row_title: what they are.
        tokens: the token of the source and of the target at each position.
        theme: the theme on the screen.
    """
    count, names = len(rows), [token_pair(pair) for pair in tokens]
    apart = len(tokens) + 1  # the place of the last column
    shown = rounded(restored)
    scale, few = DIVERGING[theme], count > 24
    return Figure(
        alt=_sentence(restored, rows=rows, row_title=row_title, names=names),
        height=min(110 + 22 * count, 720),
        margin=(6, 76, 84, 62),
        x=(
            Axis(
                (-0.5, apart + 0.5),
                [*((at, shorten(name, _LETTERS)) for at, name in enumerate(names)), (apart, "all")],
                bare=True,
                number=True,
            ),
        ),
        y=Axis(
            (count - 0.5, -0.5),
            [(at, rows[at]) for at in range(0, count, 4 if few else 1)],
            row_title,
            bare=True,
            number=True,
        ),
        marks=tuple(
            Cells(
                [row[part] for row in shown],
                first=(0, first),
                scale=scale,
                span=(-1, 1),
                gaps=(1, 1),
                hover=f"{row_title} {{row}}\ntoken {{column}}\n{_RESTORED} {{value}}",
                numbers=(row_title, "token", _RESTORED),
                rows=list(rows),
                columns=columns,
            )
            for part, first, columns in (
                (slice(0, -1), 0, [f"{at} {name}" for at, name in enumerate(names)]),
                (slice(-1, None), apart, ["all at once"]),
            )
        ),
        bar=ColorBar(scale, (-1, 1), [(-1, "−1"), (0, "0"), (1, "1")], "restored"),
        theme=theme,
    )


def token_pair(pair: tuple[str, str]) -> str:
    """The tokens of both runs at one position, as one where they are equal."""
    source, target = map(visible, pair)
    return target if source == target else f"{source}/{target}"


def _sentence(
    restored: NDArray[np.float64], *, rows: Sequence[str], row_title: str, names: Sequence[str]
) -> str:
    """One sentence for a person who cannot see the map."""
    said = f"Map of the {_RESTORED} by {len(rows)} rows and {len(names)} tokens"
    single = restored[:, :-1]
    if not np.isfinite(single).any():
        return f"{said}: no patch could be made."
    row, column = divmod(int(np.nanargmax(single)), len(names))
    most = number(float(single[row, column]), ".2f")
    words = f"{said}: most, {most}, at ‘{names[column]}’ in {row_title} {rows[row]}"
    if np.isfinite(restored[:, -1]).any():
        best = int(np.nanargmax(restored[:, -1]))
        words += (
            f"; with all tokens at once most, {number(float(restored[best, -1]), '.2f')}, in "
            f"{row_title} {rows[best]}"
        )
    return f"{words}."
