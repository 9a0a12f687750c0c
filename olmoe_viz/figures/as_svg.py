"""A figure as an SVG document, for notebooks and reports: it needs no script and no other file.

It stands as the page draws it (`ui/widgets/figure`), at one width; hover words become tooltips.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING
from xml.etree.ElementTree import tostring

from olmoe_viz.figures.look import LOOK
from olmoe_viz.figures.marks import Axis, Box, ColorBar, Line, Note, Rule
from olmoe_viz.figures.svg_canvas import Canvas, Scale, key_places, longest, scale, short
from olmoe_viz.figures.svg_marks import draw, draw_dot

if TYPE_CHECKING:
    from olmoe_viz.figures.figure import Figure


def as_svg(figure: "Figure", width: int) -> str:
    """The document's text."""
    canvas = Canvas(figure, width)
    for axis, at in zip(figure.x, canvas.xs, strict=True):
        _below(canvas, axis, at)
    _aside(canvas, figure.y)
    if figure.bar:
        _color_bar(canvas, figure.bar)
    _rules(canvas, [rule for rule in figure.rules if rule.color == "line"])
    for mark in figure.marks:
        draw(canvas, mark)
    _rules(canvas, [rule for rule in figure.rules if rule.color != "line"])
    for box in figure.boxes:
        _box(canvas, box)
    for note in figure.notes:
        _note(canvas, note)
    _key(canvas, [mark for mark in figure.marks if isinstance(mark, Line) and mark.name])
    return tostring(canvas.root, encoding="unicode")


def _below(canvas: Canvas, axis: Axis, at: Scale) -> None:
    start, end = (at(value) for value in axis.span)
    low = short(canvas.bottom)
    if not axis.bare:
        ticks = "".join(f"M{short(at(value))} {low}v{LOOK.tick}" for value, _ in axis.ticks)
        canvas.path(f"M{short(start)} {low}H{short(end)}{ticks}")
    turn = canvas.lie.turn
    for value, words in axis.ticks[:: canvas.lie.every]:
        canvas.write(
            words,
            at(value),
            canvas.bottom + (7 if turn else 13),
            anchor="start" if turn else "middle",
            size=LOOK.small if axis.number else LOOK.caption,
            number=axis.number,
            turn=turn,
        )
    if axis.title:
        key = LOOK.key if canvas.figure.has_key else 0
        canvas.write(axis.title, (start + end) / 2, canvas.figure.height - 9 - key)


def _aside(canvas: Canvas, axis: Axis) -> None:
    x, y = canvas.left, canvas.y
    if not axis.bare:
        ticks = "".join(f"M{x} {short(y(value))}h-{LOOK.tick}" for value, _ in axis.ticks)
        canvas.path(f"M{x} {canvas.top}V{short(canvas.bottom)}{ticks}")
    size = LOOK.small if axis.number else LOOK.caption
    for value, words in axis.ticks:
        canvas.write(words, x - 7, y(value), anchor="end", size=size, number=axis.number)
    if axis.title:
        aside = max(x - 17 - longest(axis) * LOOK.digit * size, 8)
        canvas.write(axis.title, aside, (canvas.top + canvas.bottom) / 2, turn=-90)


def _rules(canvas: Canvas, rules: Sequence[Rule]) -> None:
    for rule in rules:
        _rule(canvas, rule)


def _rule(canvas: Canvas, rule: Rule) -> None:
    if rule.along == "x":
        x = short(canvas.xs[0](rule.at))
        up = canvas.bottom + rule.reach * (canvas.top - canvas.bottom)
        d = f"M{x} {short(canvas.bottom)}V{short(up)}"
    else:
        far = canvas.left + rule.reach * (canvas.right - canvas.left)
        d = f"M{canvas.left} {short(canvas.y(rule.at))}H{short(far)}"
    dash = LOOK.dashes["dot"] if rule.dotted else ""
    canvas.path(d, rule.color, stroke_width=rule.width, stroke_dasharray=dash)


def _note(canvas: Canvas, note: Note) -> None:
    wide, high = canvas.right - canvas.left, canvas.top - canvas.bottom
    x = canvas.left + note.x * wide if "x" in note.paper else canvas.xs[0](note.x)
    y = canvas.bottom + note.y * high if "y" in note.paper else canvas.y(note.y)
    canvas.write(
        note.text,
        x + note.shift[0],
        y + note.shift[1],
        anchor=note.anchor,
        size=note.size,
        color=note.color,
        number=note.number,
        bold=note.bold,
    )


def _box(canvas: Canvas, box: Box) -> None:
    left, right = (canvas.xs[0](side) for side in box.sides[:2])
    top, bottom = (canvas.y(side) for side in box.sides[2:])
    canvas.put(
        "rect", x=left, y=top, width=right - left, height=bottom - top, fill="none",
        stroke=canvas.ink(box.color), stroke_width=LOOK.box,
    )  # fmt: skip


def _color_bar(canvas: Canvas, bar: ColorBar) -> None:
    left, high = canvas.right + 16, canvas.bottom - canvas.top
    share = high / len(bar.scale)
    for step, color in enumerate(reversed(bar.scale)):
        canvas.put(
            "rect", x=left, y=canvas.top + step * share, width=LOOK.color_bar,
            height=share + 0.5, fill=color,
        )  # fmt: skip
    at = scale(bar, canvas.bottom, canvas.top)
    canvas.path("".join(f"M{left + LOOK.color_bar} {short(at(value))}h3" for value, _ in bar.ticks))
    for value, words in bar.ticks:
        canvas.write(words, left + LOOK.color_bar + 6, at(value), anchor="start")
    if bar.title:
        canvas.write(bar.title, canvas.width - 8, (canvas.top + canvas.bottom) / 2, turn=-90)


def _key(canvas: Canvas, lines: list[Line]) -> None:
    """The lines' names below the figure, in rows."""
    for line, (x, row) in zip(lines, key_places(canvas.figure, canvas.width), strict=True):
        y = canvas.figure.height - LOOK.key + 10.0 + row * LOOK.key_row
        dash = LOOK.dashes[line.dash]
        canvas.path(
            f"M{short(x)} {y}h24", line.color, stroke_width=line.width, stroke_dasharray=dash
        )
        if line.dots:
            draw_dot(canvas, line, x + 12, y, size=8)
        canvas.write(line.name, x + 30, y, anchor="start", color="ink")
