"""Bars, cells and lines as SVG elements, as the page's marks.js draws them."""

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import atan2, degrees
from struct import pack
from zlib import compress, crc32

from olmoe_viz.figures.cell_words import cell_words
from olmoe_viz.figures.look import LOOK
from olmoe_viz.figures.marks import Bars, Cells, Line
from olmoe_viz.figures.palette import shade, text_on
from olmoe_viz.figures.svg_canvas import Canvas, short


@dataclass(frozen=True)
class _Edges:
    left: float
    top: float
    right: float
    bottom: float

    def touches(self, other: "_Edges") -> bool:
        across = self.left < other.right and other.left < self.right
        return across and self.top < other.bottom and other.top < self.bottom

    def wider(self, gap: float) -> "_Edges":
        return _Edges(self.left - gap, self.top, self.right + gap, self.bottom)


def draw(canvas: Canvas, mark: Bars | Cells | Line) -> None:
    """Add a mark to the drawing."""
    if isinstance(mark, Bars):
        _bars(canvas, mark)
    elif isinstance(mark, Cells):
        _cells(canvas, mark)
    else:
        _line(canvas, mark)


def _bars(canvas: Canvas, mark: Bars) -> None:
    x = canvas.xs[0]
    half, base = (x(1) - x(0)) * mark.width / 2, canvas.y(mark.low)
    boxes: dict[int, _Edges] = {}
    for index, high in enumerate(mark.high):
        if high is None:
            continue
        middle, end = x(mark.at[index]), canvas.y(high)
        box = _Edges(middle - half, min(base, end), middle + half, max(base, end))
        boxes[index] = box
        canvas.put(
            "rect",
            mark.hover[index],
            x=box.left,
            y=box.top,
            width=box.right - box.left,
            height=box.bottom - box.top,
            fill=canvas.ink(mark.fills[index]),
            stroke=canvas.ink(mark.outlines[index]),
            stroke_width=LOOK.outline,
        )
    if mark.names:
        _name_bars(canvas, mark, boxes)


def _name_bars(canvas: Canvas, mark: Bars, boxes: dict[int, _Edges]) -> None:
    """Names at the bars' ends, those of the highest first; none touches a bar or another name."""
    size = LOOK.tiny if sum(map(bool, mark.names)) > LOOK.many else LOOK.small
    placed: list[_Edges] = []
    for index in sorted(boxes, key=lambda at: -(mark.high[at] or 0)):
        name, bar = mark.names[index], boxes[index]
        if not name:
            continue
        reach, middle = len(name) * LOOK.digit * size / 2, (bar.left + bar.right) / 2
        y = bar.top - 8 if (mark.high[index] or 0) >= mark.low else bar.bottom + 8
        box = _Edges(middle - reach, y - 5, middle + reach, y + 5)
        others = (other for at, other in boxes.items() if at != index)
        if any(map(box.wider(LOOK.name_gap).touches, placed)) or any(map(box.touches, others)):
            continue
        placed.append(box)
        canvas.write(name, middle, y, size=size, number=True)


def _cells(canvas: Canvas, mark: Cells) -> None:
    if mark.gaps[0]:
        for r, c, value in _filled(mark):
            box = _edges(canvas, mark, r, c)
            canvas.put(
                "rect",
                cell_words(mark, r, c),
                x=box.left,
                y=box.top,
                width=max(box.right - box.left, 0.1),
                height=max(box.bottom - box.top, 0.1),
                fill=shade(value, mark.span, mark.scale),
            )
    else:
        _pictures(canvas, mark)
    if mark.texts:
        for r, c, value in _filled(mark):
            box = _edges(canvas, mark, r, c)
            middle = (box.left + box.right) / 2, (box.top + box.bottom) / 2
            color = text_on(shade(value, mark.span, mark.scale))
            canvas.write(mark.texts[r][c], *middle, size=LOOK.small, number=True, color=color)


def _filled(mark: Cells) -> Iterator[tuple[int, int, float]]:
    for r, row in enumerate(mark.values):
        for c, value in enumerate(row):
            if value is not None:
                yield r, c, value


def _edges(canvas: Canvas, mark: Cells, r: int, c: int) -> _Edges:
    row, column = mark.first[0] + r, mark.first[1] + c
    ends = canvas.y(row - 0.5), canvas.y(row + 0.5)
    left, right = (canvas.xs[0](column + side) for side in (-0.5, 0.5))
    return _Edges(left, min(ends), right - mark.gaps[0], max(ends) - mark.gaps[1])


def _pictures(canvas: Canvas, mark: Cells) -> None:
    """Many cells: a row is one picture, a pixel a cell."""
    for r, row in enumerate(mark.values):
        first, last = _edges(canvas, mark, r, 0), _edges(canvas, mark, r, len(row) - 1)
        canvas.put(
            "image",
            x=first.left,
            y=first.top,
            width=last.right - first.left,
            height=first.bottom - first.top,
            preserveAspectRatio="none",
            style="image-rendering: pixelated",
            href=_picture(
                [None if value is None else shade(value, mark.span, mark.scale) for value in row]
            ),
        )


def _picture(colors: list[str | None]) -> str:
    """A PNG of one row of pixels, as a data address."""
    pixels = b"".join(
        bytes(4) if color is None else bytes.fromhex(color[1:]) + b"\xff" for color in colors
    )
    parts = (
        (b"IHDR", pack(">IIBBBBB", len(colors), 1, 8, 6, 0, 0, 0)),
        (b"IDAT", compress(b"\0" + pixels)),
        (b"IEND", b""),
    )
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        pack(">I", len(body)) + name + body + pack(">I", crc32(name + body)) for name, body in parts
    )
    return "data:image/png;base64," + b64encode(data).decode()


def _line(canvas: Canvas, mark: Line) -> None:
    x = canvas.xs[mark.axis]
    points = [(x(at), canvas.y(height)) for at, height in zip(mark.x, mark.y, strict=True)]
    path = _stepped(points) if mark.steps else points
    d = "M" + "L".join(f"{short(at)} {short(height)}" for at, height in path)
    if mark.area:
        base = short(canvas.y(0))
        closed = f"{d}V{base}H{short(path[0][0])}Z"
        canvas.put("path", d=closed, fill=canvas.ink(mark.area))
    if mark.width:
        dash = LOOK.dashes[mark.dash]
        canvas.path(d, mark.color, stroke_width=mark.width, stroke_dasharray=dash)
    if mark.spread:
        for (at, _), low, high in zip(points, *mark.spread, strict=True):
            _spread(canvas, mark.color, at, canvas.y(low), canvas.y(high))
    for index, size in enumerate(mark.dots):
        if size:
            draw_dot(canvas, mark, *points[index], size=size, index=index)
    if mark.arrow:
        _head(canvas, points[-2], points[-1], mark.color)


def _stepped(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points of a line that changes its height halfway, at once."""
    path = points[:1]
    for (x, y), (after, height) in pairwise(points):
        middle = (x + after) / 2
        path += [(middle, y), (middle, height)]
    return [*path, points[-1]]


def _spread(canvas: Canvas, color: str, x: float, low: float, high: float) -> None:
    left = short(x - LOOK.cap)
    ends = "".join(f"M{left} {short(y)}h{2 * LOOK.cap}" for y in (low, high))
    canvas.path(f"M{short(x)} {short(low)}V{short(high)}{ends}", color)


def draw_dot(
    canvas: Canvas, mark: Line, x: float, y: float, *, size: float, index: int | None = None
) -> None:
    """A dot of a line in its shape; without an index it is that of the key.

    In the key it is hollow where all dots are: one fill of them all is theirs in the key, too.
    """
    alike = mark.fills[0] if len(set(mark.fills)) == 1 else ""
    fill = alike if index is None or not mark.fills else mark.fills[index]
    look = {
        "fill": canvas.ink(fill or mark.color),
        "stroke": canvas.ink(mark.color),
        "stroke_width": LOOK.ring if fill else 0,
    }
    words = mark.hover[index] if index is not None else ""
    half = size / 2
    if mark.shape == "circle":
        canvas.put("circle", words, cx=x, cy=y, r=half, **look)
    else:
        turn = f"rotate(45 {short(x)} {short(y)})" if mark.shape == "diamond" else ""
        canvas.put(
            "rect", words, x=x - half, y=y - half, width=size, height=size, transform=turn, **look
        )


def _head(
    canvas: Canvas, before: tuple[float, float], end: tuple[float, float], color: str
) -> None:
    turn = degrees(atan2(end[1] - before[1], end[0] - before[0]))
    place = f"translate({short(end[0])} {short(end[1])}) rotate({short(turn)})"
    canvas.put("path", d="M0 0L-9 -3.5V3.5Z", fill=canvas.ink(color), transform=place)
