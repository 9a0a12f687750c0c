"""What a figure is made of: axes, bars, cells, lines, rules, notes. Plain data.

Text is shown as it is, never read as markup. A color is "#rrggbb", or the name of an ink (`ink`,
`muted`, `line`, `accent`, `paper`, `panel`), which whatever draws the figure takes from the theme.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.figures.labels import number
from olmoe_viz.figures.look import LOOK, Dash

Tick = tuple[float, str]
Anchor = Literal["start", "middle", "end"]
Numbers = Mapping[str, Sequence[Any]]
Grid = Sequence[Sequence[float | None]]
Shape = Literal["circle", "square", "diamond"]
HOLLOW = "none"


@dataclass(frozen=True)
class Axis:
    """One axis, from the left or from the bottom.

    Args:
        span: the values at its two ends; the first may be the larger.
        ticks: values and their words; those of x turn, or every other goes, where room is short.
        title: name and unit.
        bare: without line and tick marks.
        number: whether the words are ids or tokens, set in the face of numbers.
        log: whether the axis is logarithmic.
        part: the share of the figure's width that it takes.
    """

    span: tuple[float, float]
    ticks: Sequence[Tick] = ()
    title: str = ""
    bare: bool = False
    number: bool = False
    log: bool = False
    part: tuple[float, float] = (0.0, 1.0)


@dataclass(frozen=True)
class Bars:
    """Upright bars, the n-th entry of every list about the n-th bar.

    Args:
        at: their places along x.
        low: where they start.
        high: where they end, above or below; without a number there is no bar.
        width: in units of x.
        fills: colors, or `HOLLOW`.
        outlines: colors.
        hover: words about each, lines parted by a line break.
        names: words at the ends, left out where they would touch something.
        numbers: what a table says of the bars: name and unit of a column -> its entries.
    """

    at: Sequence[float]
    low: float
    high: Sequence[float | None]
    width: float
    fills: Sequence[str]
    outlines: Sequence[str]
    hover: Sequence[str]
    names: Sequence[str] = ()
    numbers: Numbers = field(default_factory=dict)


@dataclass(frozen=True)
class Cells:
    """A grid of colored cells around whole numbers.

    Args:
        values: [rows, columns]; what is not a number has no cell.
        first: place of the first row and of the first column.
        scale: colors from `span[0]` to `span[1]`.
        span: values beyond it have the color of its ends.
        gaps: pixels between columns and between rows.
        hover: words in which {row}, {column}, {value}, {text} and the names of `more` stand for
            those of the cell.
        numbers: what a table calls the row, the column and the value, with its unit.
        rows: the words for {row}, else its number.
        columns: the same for {column}.
        texts: words inside the cells.
        more: further numbers of the cells, by name and unit: [rows, columns] each.
        percent: whether {value} is said in percent.
    """

    values: Grid
    first: tuple[int, int]
    scale: Sequence[str]
    span: tuple[float, float]
    gaps: tuple[int, int]
    hover: str
    numbers: tuple[str, str, str]
    rows: Sequence[str | int] = ()
    columns: Sequence[str | int] = ()
    texts: Sequence[Sequence[str]] = ()
    more: Mapping[str, Grid] = field(default_factory=dict)
    percent: bool = False


@dataclass(frozen=True)
class Line:
    """A line through points.

    Args:
        x: one number a point.
        y: the same.
        color: of line and dots.
        hover: words about each point.
        width: 0 for dots alone.
        dots: diameter of each, or none.
        fills: what the dots are filled with, else their color.
        shape: of the dots.
        arrow: whether the last point is the head of an arrow.
        dash: how the line is broken.
        steps: whether the line changes its height halfway between two points, at once.
        area: the color between the line and zero, or none.
        spread: the low and the high end of an upright bar through each point.
        axis: which of the x axes it goes by.
        name: what the key below the figure calls it; without one it is not in the key.
        numbers: what a table says of the points: name and unit of a column -> its entries.
    """

    x: Sequence[float]
    y: Sequence[float]
    color: str
    hover: Sequence[str]
    width: float = 2
    dots: Sequence[float] = ()
    fills: Sequence[str] = ()
    shape: Shape = "circle"
    arrow: bool = False
    dash: Dash = "solid"
    steps: bool = False
    area: str = ""
    spread: tuple[Sequence[float], Sequence[float]] | None = None
    axis: int = 0
    name: str = ""
    numbers: Numbers = field(default_factory=dict)


@dataclass(frozen=True)
class Rule:
    """A straight line at one value of an axis; `reach` is how much of the figure it crosses."""

    along: Literal["x", "y"]
    at: float
    color: str
    width: float = 1
    dotted: bool = False
    reach: float = 1


@dataclass(frozen=True)
class Note:
    """Words in the figure.

    Args:
        text: shown as it is.
        x: a value of the first x axis, or with `paper` a share of the width.
        y: a value, or with `paper` a share of the height from the bottom.
        paper: which of the two are shares: "x", "y" or "xy".
        anchor: which end of the words stands there.
        shift: pixels to the right and down; at 0 down the words are centered.
        number: whether they are set in the face of numbers.
    """

    text: str
    x: float
    y: float
    paper: str = ""
    anchor: Anchor = "start"
    shift: tuple[float, float] = (0, 0)
    color: str = "muted"
    size: int = LOOK.caption
    bold: bool = False
    number: bool = False


@dataclass(frozen=True)
class ColorBar:
    """The key of the cells' colors at the right, from the lower end to the upper."""

    scale: Sequence[str]
    span: tuple[float, float]
    ticks: Sequence[Tick]
    title: str = ""


@dataclass(frozen=True)
class Box:
    """An outline around a range of cells: left, right, top and bottom in values of the axes."""

    sides: tuple[float, float, float, float]
    color: str = "accent"


Mark = Bars | Cells | Line


def around_zero(values: Iterable[float], room: float) -> tuple[float, float]:
    """Return the ends of an axis that shows the values and 0, with a share of it free at each."""
    shown = [0.0, *values]
    low, high = min(shown), max(shown)
    free = room * (high - low or 1.0)
    return low - free, high + free


def ticks(
    low: float, high: float, most: int = 5, words: Callable[[float], str] = number
) -> list[Tick]:
    """Round values between two ends, `most` or one more, as `words` has them."""
    rough = (high - low) / most
    unit = 10.0 ** math.floor(math.log10(rough))
    step = unit * next(size for size in (2, 5, 10, 20) if size * unit >= rough)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [(at * step, words(at * step)) for at in range(first, last + 1)]


def every(step: int, count: int) -> list[Tick]:
    """The whole numbers below `count` that are multiples of `step`, and their words."""
    return [(at, str(at)) for at in range(0, count, step)]


def named_layers(layer_ids: Sequence[int]) -> list[int]:
    """The layers that an axis names: the multiples of five, or all where there are few."""
    named = [layer for layer in layer_ids if layer % 5 == 0]
    return named if named and len(layer_ids) >= 5 else list(layer_ids)


def layer_axis(layer_ids: Sequence[int], room: float, title: str = "layer") -> Axis:
    """Layers along x, each at its id among all blocks, with some room at the ends, in layers."""
    named = [(layer, str(layer)) for layer in named_layers(layer_ids)]
    return Axis((layer_ids[0] - room, layer_ids[-1] + room), named, title)


def rounded(values: NDArray[np.floating[Any]], digits: int = 5) -> list[list[float | None]]:
    """A matrix of significant digits as lists, None for what is not a number."""
    sizes = np.abs(np.where(np.isfinite(values) & (values != 0), values, 1.0), dtype=np.float64)
    scale = 10.0 ** (digits - 1 - np.floor(np.log10(sizes)))
    short = np.round(values * scale) / scale
    rows: list[list[float | None]] = short.tolist()
    if not np.isfinite(short).all():
        rows = [[v if v is not None and math.isfinite(v) else None for v in row] for row in rows]
    return rows
