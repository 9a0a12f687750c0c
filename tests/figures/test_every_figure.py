"""Whatever a figure shows can be drawn, shown in a notebook, exported and read as a table."""

import json
import math
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import olmoe_viz.figures
from olmoe_viz.figures.figure import Figure
from olmoe_viz.figures.marks import Cells
from olmoe_viz.figures.palette import INKS, Theme
from olmoe_viz.figures.svg_canvas import height_of
from tests.figures.samples import SAMPLES

EVERY = pytest.mark.parametrize("name", SAMPLES)
SVG = "{http://www.w3.org/2000/svg}"


def drawn(figure: Figure) -> list[float]:
    """The heights and values that the marks show."""
    values: list[float | None] = []
    for mark in figure.marks:
        if isinstance(mark, Cells):
            values += [value for row in mark.values for value in row]
        elif mark.numbers:
            shown = mark.high if hasattr(mark, "high") else mark.y
            # A line can lie along the layers: then what it shows is across.
            values += mark.x if getattr(mark, "axis", 0) else shown
    return [value for value in values if value is not None]


def test_there_is_a_sample_of_every_figure() -> None:
    modules = Path(olmoe_viz.figures.__file__).parent.glob("*.py")
    makers = {path.stem for path in modules if "\ndef figure(" in path.read_text("utf-8")}
    assert makers == set(SAMPLES)


@EVERY
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_can_be_sent_and_says_what_it_shows(name: str, theme: Theme) -> None:
    figure = SAMPLES[name](theme)
    sent = json.loads(json.dumps(figure.data(), allow_nan=False))
    assert sent["height"] == figure.height
    assert sent["theme"] == theme
    assert len(figure.alt) > 40
    assert repr(figure) == f"<Figure: {figure.alt}>"


@EVERY
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_its_svg_is_a_document_without_a_script_in_which_text_is_text(
    name: str, theme: Theme
) -> None:
    figure = SAMPLES[name](theme)
    root = ElementTree.fromstring(figure.to_svg(500))  # noqa: S314 - our own
    assert root.tag == f"{SVG}svg"
    assert root.get("viewBox") == f"0 0 500 {height_of(figure, 500)}"
    assert root.get("aria-label") == figure.alt.replace("\x00", "�")
    assert INKS[theme].paper in str(root.get("style"))
    shapes = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert shapes <= {"svg", "path", "rect", "circle", "text", "title", "image"}
    for element in root.iter():
        assert not {key for key in element.attrib if key.startswith("on")}
        assert str(element.get("href", "data:image/png")).startswith("data:image/png")
        for side in ("x", "y", "width", "height"):
            assert math.isfinite(float(element.get(side, 0)))
    assert "<img" not in figure._repr_html_()
    assert "\x00" not in figure._repr_html_()


@EVERY
def test_its_table_holds_the_numbers_that_are_drawn(name: str) -> None:
    figure = SAMPLES[name]("light")
    frame = figure.to_frame()
    assert len(frame) > 1
    numbers = frame.select_dtypes("number").to_numpy(float)
    for value in drawn(figure):
        assert np.isclose(numbers, value, rtol=1e-9, atol=0).any()
    assert json.loads(frame.to_json(orient="records"))


@EVERY
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_its_plotly_figure_is_valid_and_markup_in_it_is_inert(name: str, theme: Theme) -> None:
    figure = SAMPLES[name](theme)
    chart = figure.to_plotly()
    written = chart.to_json()
    assert "<img" not in written
    assert "$x^2$" not in written
    assert written.count("%{x}") == 0
    assert chart.layout.height == figure.height
    assert len(chart.data) == len(figure.marks)
    assert len(chart.layout.annotations) == len(figure.notes)
