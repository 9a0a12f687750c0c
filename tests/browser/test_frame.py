"""The frame in a browser: what stands where, what the keyboard reaches, and what never moves."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

import olmoe_viz.ui.frame
from tests.browser.server import ENDLESS, drawn_map, settled

Visit = Callable[..., Page]
FRAME = Path(olmoe_viz.ui.frame.__file__).parent
NAMES = """() => [...document.querySelectorAll("*")].flatMap(
  (element) => [...element.classList, element.dataset.testid ?? ""])"""
MAP = "?order=probability"  # no first visit: something is said
LONG_NAME = "?model=allenai/OLMoE-1B-7B-0924-Instruct"
# Streamlit's code of a control, fetched when the first one is drawn.
LATE = ("ButtonGroup", "TextArea", "Button", "Selectbox", "NumberInput")


def top(of: Locator) -> float:
    found = of.bounding_box()
    assert found is not None
    return found["y"]


@pytest.mark.parametrize("width", [1440, 1024, 820])
def test_nothing_moves_on_a_cold_first_visit(server: str, browser: Browser, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900})
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route(re.compile(rf"/({'|'.join(LATE)})\.[\w-]+\.js"), hold)
    page.goto(server, wait_until="commit")
    cells = drawn_map(page)
    before = top(cells)
    for route in held:
        route.continue_()
    page.unroute_all()
    settled(page)
    expect(page.get_by_role("button", name="Take the tour")).to_be_visible()
    assert held
    assert top(cells) == before
    page.close()


def test_a_long_name_of_a_model_moves_nothing(visit: Visit) -> None:
    usual, page = visit(MAP), visit(LONG_NAME)
    for key in ("copy_link", "model_place", "choices"):
        part = f".st-key-{key}"
        assert top(page.locator(part)) == top(usual.locator(part)), key
    (heights,) = {page.locator(".st-key-choices").bounding_box()["height"]}
    assert heights == usual.locator(".st-key-choices").bounding_box()["height"]


def test_the_legend_is_above_the_fold(visit: Visit) -> None:
    page = visit(MAP)
    drawn_map(page)
    box = page.locator(".routing-map .legend").bounding_box()
    assert box["y"] + box["height"] < 900


def test_controls_stand_where_they_have_an_effect(visit: Visit) -> None:
    for path in ("quality", "about", "glossary"):
        page = visit(path)
        expect(page.get_by_role("button", name="Copy link")).to_be_visible()
        expect(page.get_by_role("textbox", name="Prompt")).to_have_count(0)
        expect(page.get_by_role("radiogroup", name="against")).to_have_count(0)
    for path in (MAP, "follow", "compare"):
        page = visit(path)
        expect(page.get_by_role("textbox", name="Prompt")).to_be_visible()
        expect(page.get_by_role("radiogroup", name="against")).to_be_visible()


def test_the_first_tab_leads_to_the_map(visit: Visit) -> None:
    page = visit()
    cells = drawn_map(page)
    page.keyboard.press("Tab")
    link = page.get_by_role("link", name="Skip to the map")
    expect(link).to_be_focused()
    expect(link).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(cells).to_be_focused()
    expect(page.locator(".routing-map .card")).to_be_visible()
    page.get_by_role("link", name="About", exact=True).click()
    settled(page)
    expect(link).to_have_count(0)


def test_tab_lands_on_the_chosen_option(visit: Visit) -> None:
    page = visit("?k=32")
    page.get_by_role("button", name="Copy link").focus()
    for _ in range(3):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.role") == "radio":
            break
    row = page.get_by_role("radiogroup", name="k", exact=True)
    expect(row.get_by_role("radio", name="32", exact=True)).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(row.get_by_role("radio", name="64", exact=True)).to_be_focused()
    page.keyboard.press("Tab")
    expect(row.get_by_role("radio", name="64", exact=True)).not_to_be_focused()
    row.get_by_role("radio", name="4", exact=True).click()
    expect(row.get_by_role("radio", name="4", exact=True)).to_be_checked()


def test_a_prompt_is_written_in_its_own_direction(visit: Visit) -> None:
    page = visit()
    field = page.get_by_role("textbox", name="Prompt")
    expect(field).to_have_css("unicode-bidi", "plaintext")
    expect(field).to_have_css("text-align", "start")


def test_streamlit_still_has_the_names_that_the_style_hangs_on(visit: Visit) -> None:
    style = (FRAME / "streamlit.css").read_text("utf-8")
    names = {*re.findall(r'data-testid="(\w+)"', style), *re.findall(r"\.(st[A-Z]\w+)", style)}
    assert len(names) > 8
    for path in ("", "about", "quality", "compare", "runs"):
        names -= set(visit(path).evaluate(NAMES))
    # The others are there only while a text is written.
    page = visit(f"{ENDLESS}&generate=1", wait=False)
    for name in names:
        expect(page.locator(f".{name}, [data-testid={name}]").first).to_be_attached()


def test_only_one_file_of_the_frame_hangs_on_streamlits_names() -> None:
    for sheet in {*FRAME.glob("*.css")} - {FRAME / "streamlit.css"}:
        assert not re.search(r"data-testid|\.st[A-Z]", sheet.read_text("utf-8")), sheet
