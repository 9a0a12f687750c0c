"""The sheet that a figure is drawn on as SVG: its inner box, the scales of its axes, its words."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement

from olmoe_viz.figures.look import LOOK
from olmoe_viz.figures.marks import Anchor, Axis, ColorBar, Line
from olmoe_viz.figures.palette import INKS

if TYPE_CHECKING:
    from olmoe_viz.figures.figure import Figure

Scale = Callable[[float], float]
_FORBIDDEN = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # in XML


def legal(text: str) -> str:
    """Text without the characters that no XML document may have."""
    return _FORBIDDEN.sub("�", text)


def short(value: float) -> str:
    """A number of pixels in few characters."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def scale(axis: Axis | ColorBar, start: float, end: float) -> Scale:
    """From values of an axis to pixels."""
    log = isinstance(axis, Axis) and axis.log
    turn: Scale = math.log if log else float
    low, high = map(turn, axis.span)
    return lambda value: start + (turn(value) - low) / (high - low) * (end - start)


def longest(axis: Axis) -> int:
    """Characters of the longest word at an axis."""
    return max((len(words) for _, words in axis.ticks), default=0)


@dataclass(frozen=True)
class _Lie:
    """How the words under an axis lie: their turn in degrees, their height, every how many."""

    turn: int
    room: float
    every: int


def _lie(axis: Axis, width: float) -> _Lie:
    """Words lie flat while they fit, else slant, else stand; then some are left out."""
    size = LOOK.small if axis.number else LOOK.caption
    length = longest(axis) * LOOK.digit * size
    values = [value for value, _ in axis.ticks]
    reach = abs(axis.span[1] - axis.span[0])
    steps = [abs(after - before) for before, after in pairwise(values)]
    pitch = width if axis.log or not steps else min(steps) / reach * width
    if length + 2 <= pitch or not axis.number:
        return _Lie(0, size, 1)
    if pitch >= LOOK.slanted_from:
        return _Lie(30, length / 2 + size, 1)
    return _Lie(90, length, math.ceil(LOOK.pitch / pitch))


def key_places(figure: "Figure", width: int) -> list[tuple[float, int]]:
    """Where each name of the key below a figure begins: from the left, and in which row."""
    left = float(figure.margin[3])
    x, row, places = left, 0, []
    for name in (mark.name for mark in figure.marks if isinstance(mark, Line) and mark.name):
        wide = 36 + len(name) * LOOK.digit * LOOK.caption
        if x + wide > width and x > left:
            x, row = left, row + 1
        places.append((x, row))
        x += wide + 12
    return places


def height_of(figure: "Figure", width: int) -> int:
    """A figure has room for two rows of its key, and grows by those that are more."""
    rows = max((row + 1 for _, row in key_places(figure, width)), default=0)
    return figure.height + LOOK.key_row * max(0, rows - 2)


class Canvas:
    """One figure at one width."""

    def __init__(self, figure: "Figure", width: int) -> None:
        self.figure, self.width, self.theme = figure, width, figure.theme
        self.top, right, bottom, self.left = figure.margin
        self.right = max(width - right, self.left + 1)
        self.lie = _lie(figure.x[0], self.right - self.left)
        self.bottom = figure.height - max(bottom, self.lie.room + 10 if self.lie.turn else 0)
        wide = self.right - self.left
        self.xs = [
            scale(axis, self.left + axis.part[0] * wide, self.left + axis.part[1] * wide)
            for axis in figure.x
        ]
        self.y = scale(figure.y, self.bottom, self.top)
        self.root = Element(
            "svg",
            {
                "xmlns": "http://www.w3.org/2000/svg",
                "viewBox": f"0 0 {width} {height_of(figure, width)}",
                "width": str(width),
                "xml:space": "preserve",
                "style": f"max-width: 100%; height: auto; background: {self.ink('paper')}",
                "font-family": LOOK.text_font,
                "role": "img",
                "aria-label": legal(figure.alt),
            },
        )

    def ink(self, color: str) -> str:
        """The color of an ink in the figure's theme; other colors stay."""
        return str(getattr(INKS[self.theme], color, color))

    def put(self, name: str, tooltip: str = "", **attributes: float | str) -> Element:
        """Add an element, and what it says under the pointer."""
        made = SubElement(
            self.root,
            name,
            {
                key.replace("_", "-"): legal(value) if isinstance(value, str) else short(value)
                for key, value in attributes.items()
                if value != ""
            },
        )
        if tooltip:
            SubElement(made, "title").text = legal(tooltip)
        return made

    def write(
        self, words: str, x: float, y: float, *, anchor: Anchor = "middle",
        size: float = LOOK.caption, color: str = "muted", number: bool = False,
        bold: bool = False, turn: float = 0,
    ) -> None:  # fmt: skip
        """Add words, centered on their line."""
        text = self.put(
            "text",
            x=x,
            y=y,
            dy="0.34em",
            text_anchor=anchor,
            font_size=size,
            fill=self.ink(color),
            font_family=LOOK.number_font if number else "",
            font_weight="700" if bold else "",
            transform=f"rotate({turn} {short(x)} {short(y)})" if turn else "",
        )
        text.text = legal(words)

    def path(self, d: str, color: str = "line", **attributes: float | str) -> None:
        """Add a line in an ink."""
        self.put("path", "", d=d, stroke=self.ink(color), fill="none", **attributes)
