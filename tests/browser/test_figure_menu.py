"""The menu at the corner of every figure: files, and the numbers as a table."""

import re
from collections.abc import Callable, Iterator
from io import BytesIO, StringIO
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.browser.figure_app import SCRIPT
from tests.browser.server import WAIT, serve
from tests.figures.samples import SAMPLES

Visit = Callable[..., Page]
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Address of the page with nothing but figures."""
    with serve(SCRIPT) as address:
        yield address


def panel(page: Page, name: str) -> Locator:
    return page.locator(f".st-key-{name}")


def sign(page: Page, name: str) -> Locator:
    return panel(page, name).locator("summary")


def open_page(visit: Visit, **settings: object) -> Page:
    page = visit(**settings)
    expect(page.locator("summary")).to_have_count(len(SAMPLES))
    return page


# What a link saves is kept on the page instead: of more than ten downloads in a second Chrome drops
# the rest without a word.
KEEP = """() => {
  window.files = []
  HTMLAnchorElement.prototype.click = function () {
    fetch(this.href).then((file) => file.text()).then((text) => files.push([this.download, text]))
  }
}"""


def saved(page: Page, name: str, entry: str) -> tuple[str, bytes]:
    """The name and the content of the file that an entry of the menu saves."""
    sign(page, name).click()
    with page.expect_download(timeout=WAIT) as download:
        panel(page, name).get_by_role("button", name=entry).click()
    return download.value.suggested_filename, Path(download.value.path()).read_bytes()


def kept(page: Page, name: str, entry: str) -> str:
    """The same without a download."""
    page.evaluate("files.length = 0")
    sign(page, name).click()
    panel(page, name).get_by_role("button", name=entry).click()
    page.wait_for_function("files.length === 1", timeout=WAIT)
    ((filename, text),) = page.evaluate("files")
    assert filename.startswith(f"olmoe-viz-{name}.")
    return str(text)


def test_each_figure_gives_its_svg_and_foreign_text_in_it_is_text(visit: Visit) -> None:
    page = open_page(visit)
    page.evaluate(KEEP)
    for name in SAMPLES:
        svg = kept(page, name, "Figure as SVG")
        root = ElementTree.fromstring(svg)  # noqa: S314 - our own
        kinds = {element.tag.removeprefix(SVG) for element in root.iter()}
        assert kinds <= {"svg", "rect", "path", "circle", "text", "image"}, name
        assert "var(" not in svg
    assert page.locator("img").count() == 0


def strokes(svg: str) -> list[tuple[str, str, list[float]]]:
    """What is drawn with a pen: the kind, its words and looks, and its numbers in their order.

    Cells are a picture on the page and rectangles in Python's document.
    """
    found = []
    for element in ElementTree.fromstring(svg).iter():  # noqa: S314 - our own
        kind = element.tag.removeprefix(SVG)
        if kind in ("path", "circle", "text") or element.get("stroke"):
            looks = {
                name: value
                for name, value in element.attrib.items()
                if not re.search(r"\d", value) or name in ("fill", "font-size") or "stroke" in name
            }
            words = f"{sorted(looks.items())} {element.text or ''}"
            numbers = " ".join(
                value for name, value in sorted(element.attrib.items()) if name not in looks
            )
            found.append((kind, words, [*map(float, re.findall(r"-?\d+\.?\d*", numbers))]))
    return found


def test_each_figure_stands_on_the_page_as_in_pythons_document(visit: Visit) -> None:
    page = open_page(visit)
    page.evaluate(KEEP)
    for name, make in SAMPLES.items():
        svg = kept(page, name, "Figure as SVG")
        width = int(float(ElementTree.fromstring(svg).get("width", "")))  # noqa: S314 - our own
        theirs, ours = strokes(svg), strokes(make("light").to_svg(width))
        assert [mark[:2] for mark in theirs] == [mark[:2] for mark in ours], name
        for (*_, found), (*_, drawn) in zip(theirs, ours, strict=True):
            # The page brings the edges of cells, and the words in them, to whole pixels.
            assert found == pytest.approx(drawn, abs=0.5), name


def test_each_figure_gives_its_numbers_as_python_has_them(visit: Visit) -> None:
    page = open_page(visit)
    page.evaluate(KEEP)
    for name, make in SAMPLES.items():
        found = pd.read_csv(StringIO(kept(page, name, "Numbers as CSV")), keep_default_na=False)
        frame = make("light").to_frame()
        assert len(found) == len(frame)
        for column, theirs in zip(frame, found, strict=True):
            assert column.replace("\0", "") == theirs.replace("\0", "")
            if pd.api.types.is_numeric_dtype(frame[column].dtype):
                numbers = pd.to_numeric(found[theirs]).tolist()
                assert numbers == pytest.approx(frame[column].tolist(), nan_ok=True)


def test_a_table_program_computes_nothing_from_a_name(visit: Visit) -> None:
    page = open_page(visit)
    filename, csv = saved(page, "rank_change", "Numbers as CSV")
    assert filename == "olmoe-viz-rank_change.csv"
    lines = csv.decode().splitlines()
    assert lines[0] == "policy,rank,token,probability"
    assert lines[2].endswith(",2,'=1+1,0.25")
    assert '&""' in lines[1]  # the quotation mark of the name, doubled


def test_the_picture_is_as_sharp_as_a_screen_of_twice_the_pixels(visit: Visit) -> None:
    page = open_page(visit)
    for name in ("router_bars", "expert_load"):
        filename, png = saved(page, name, "Figure as PNG")
        assert filename == f"olmoe-viz-{name}.png"
        box = panel(page, name).get_by_role("img").bounding_box()
        assert box is not None
        picture = Image.open(BytesIO(png))
        assert picture.size == (2 * int(box["width"]), 2 * int(box["height"]))
        assert len(picture.convert("RGB").getcolors(1 << 24) or ()) > 8


def test_the_menu_is_worked_by_keyboard_and_the_numbers_become_a_table(visit: Visit) -> None:
    page = open_page(visit)
    opener = sign(page, "router_bars")
    expect(opener).to_have_accessible_name("Save this figure or show its numbers")
    opener.focus()
    page.keyboard.press("Enter")
    entries = panel(page, "router_bars").get_by_role("button")
    expect(entries).to_have_text(
        ["Figure as SVG", "Figure as PNG", "Numbers as CSV", "Show the numbers"]
    )
    page.keyboard.press("Tab")
    expect(entries.first).to_be_focused()
    page.keyboard.press("Escape")
    expect(entries.first).to_be_hidden()
    expect(opener).to_be_focused()
    page.keyboard.press("Enter")
    for _ in range(4):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    table = panel(page, "router_bars").get_by_role("table")
    frame = SAMPLES["router_bars"]("light").to_frame()
    expect(table.get_by_role("columnheader")).to_have_text(list(frame))
    expect(table.get_by_role("row")).to_have_count(1 + len(frame))
    expect(table.get_by_role("cell").nth(2)).to_have_text(f"{frame.iloc[0, 2]:.6g}")
    opener.click()
    panel(page, "router_bars").get_by_role("button", name="Hide the numbers").click()
    expect(table).to_be_hidden()


def test_a_press_elsewhere_shuts_the_menu(visit: Visit) -> None:
    page = open_page(visit)
    sign(page, "tradeoff").click()
    entry = panel(page, "tradeoff").get_by_role("button", name="Figure as SVG")
    expect(entry).to_be_visible()
    page.mouse.click(3, 3)
    expect(entry).to_be_hidden()


def test_a_press_right_after_the_menu_opens_shuts_it(visit: Visit) -> None:
    page = open_page(visit)
    opened = sign(page, "tradeoff").evaluate("""(sign) => {
      sign.click()
      const { open } = sign.parentElement
      document.body.dispatchEvent(new PointerEvent("pointerdown", { bubbles: true }))
      return open
    }""")
    assert opened
    entry = panel(page, "tradeoff").get_by_role("button", name="Figure as SVG")
    expect(entry).to_be_hidden()


def test_on_a_phone_the_menu_fits_and_its_targets_are_large_enough(visit: Visit) -> None:
    page = open_page(visit, width=390, touch=True)
    for name in SAMPLES:
        sign(page, name).tap()
        entries = panel(page, name).get_by_role("button")
        for target in (sign(page, name), *entries.all()):
            box = target.bounding_box()
            assert box is not None
            assert box["height"] >= 40
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= 390
        entries.last.tap()
        expect(panel(page, name).get_by_role("table")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
