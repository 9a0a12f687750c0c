"""The key below a figure: dots look as they do above, and no name is cut on a narrow screen."""

from itertools import pairwise
from xml.etree.ElementTree import Element, fromstring

from olmoe_viz.figures.figure import Figure
from olmoe_viz.figures.marks import Axis, Line
from olmoe_viz.figures.palette import INKS

NAMES = ("control, upper end", "other layers", "other layers, flips the token", "layer 7")
SVG = "{http://www.w3.org/2000/svg}"


def figure(*fills: str) -> Figure:
    """A figure of one dot a line, filled like this."""
    return Figure(
        alt="",
        height=200,
        margin=(10, 10, 84, 60),
        x=(Axis((0, 1)),),
        y=Axis((0, 1)),
        marks=tuple(
            Line([0.5], [0.5], "muted", [""], width=0, dots=[8], fills=[fill], name=name)
            for fill, name in zip(fills, NAMES, strict=True)
        ),
    )


def drawn(width: int) -> tuple[Element, list[Element], dict[str, Element]]:
    """The document, its dots, and the names of its key."""
    root = fromstring(figure("paper", "muted", "paper", "accent").to_svg(width))  # noqa: S314
    texts = {text.text or "": text for text in root.iter(f"{SVG}text")}
    return root, list(root.iter(f"{SVG}circle")), {name: texts[name] for name in NAMES}


def test_a_hollow_dot_is_hollow_in_the_key() -> None:
    _, dots, _ = drawn(720)
    above, key = dots[: len(NAMES)], dots[len(NAMES) :]
    assert [dot.get("fill") for dot in key] == [dot.get("fill") for dot in above]
    assert key[0].get("fill") == INKS["light"].paper
    assert key[0].get("stroke") == INKS["light"].muted


def test_a_narrow_figure_grows_by_the_rows_of_its_key() -> None:
    heights = []
    for width in (900, 340):
        root, _, names = drawn(width)
        height = int(root.get("viewBox", "").split()[-1])
        rows = sorted({float(text.get("y", 0)) for text in names.values()})
        assert all(after - before == 20 for before, after in pairwise(rows))
        assert rows[-1] + 10 <= height
        heights.append(height)
    assert heights[0] == 200
    assert heights[1] > 200
