"""The figures of Follow a token in a real browser: hover, alternative text, width, moves."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.server import settled

Visit = Callable[..., Page]
AT = "follow?prompt=The+cat+sat+on+the+mat&token=2"

NARROWER = """(width) => [...document.querySelectorAll(".st-key-as_run *")]
  .map((part) => part.shadowRoot?.querySelector("[role=img] path"))
  .some((path) => path && path.getBBox().width < width)"""


def figure(page: Page, key: str) -> Locator:
    return page.locator(f".st-key-{key}").get_by_role("img")


def open_page(visit: Visit, **settings: object) -> Page:
    page = visit(AT, **settings)
    expect(figure(page, "pushes").locator("rect").first).to_be_attached()
    settled(page)
    return page


def card(page: Page, key: str) -> Locator:
    """The card of the figure, the first of two where a slider moves both."""
    return page.locator(f".st-key-{key} .card").first


def test_hover_says_the_numbers_of_a_bar_and_goes_when_one_leaves(visit: Visit) -> None:
    page = open_page(visit)
    figure(page, "top_k").locator("rect").nth(0).hover()
    expect(card(page, "top_k")).to_be_visible()
    words = card(page, "top_k").inner_text()
    assert re.fullmatch(
        r"expert \d+·\d+ · rank 1\nprobability (\S+)\nmass up to this rank \1\nused .+", words
    ), words
    page.mouse.move(5, 5)
    expect(card(page, "top_k")).to_be_hidden()


def test_hover_says_the_value_of_a_cell_and_of_a_point(visit: Visit) -> None:
    page = open_page(visit)
    strip = figure(page, "embedding")
    strip.scroll_into_view_if_needed()
    strip.hover(position={"x": 200, "y": 20})
    expect(card(page, "embedding")).to_have_text(re.compile(r"index \d+ of 256\nvalue −?\d"))
    figure(page, "attention").hover(position={"x": 60, "y": 15})
    expect(card(page, "attention")).to_have_text(re.compile(r"mean\nposition 0\nattention 0?\.?\d"))
    figure(page, "as_run").locator("circle").nth(7).hover()
    expect(card(page, "as_run")).to_have_text(re.compile(r"as run\nlayer 7\nrelative change \d"))


def test_a_tap_shows_the_card_as_well(visit: Visit) -> None:
    page = open_page(visit, width=390, touch=True)
    bar = figure(page, "logits").locator("rect").nth(3)
    bar.scroll_into_view_if_needed()
    bar.tap()
    expect(card(page, "logits")).to_contain_text("router logit")
    box = card(page, "logits").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390


def test_the_selected_are_filled_the_cut_off_hollow_and_words_say_so(visit: Visit) -> None:
    page = open_page(visit)
    bars = figure(page, "top_k").locator("rect")
    fills = bars.evaluate_all("bars => bars.map((bar) => bar.getAttribute('fill'))")
    assert [fill != "none" for fill in fills] == [True] * 8 + [False] * 56
    expect(figure(page, "top_k")).to_have_attribute(
        "aria-label", re.compile("the top 8 keep .* of the mass")
    )


@pytest.mark.parametrize(("width", "least"), [(390, 8), (1440, 40)])
def test_ids_above_the_bars_stand_apart(visit: Visit, width: int, least: int) -> None:
    page = open_page(visit, width=width)
    names = figure(page, "top_k").locator("text[font-family]")
    boxes = names.evaluate_all(
        "names => names.map((name) => name.getBoundingClientRect())"
        ".map(({ left, right, top, bottom }) => [left, right, top, bottom])"
    )
    assert len(boxes) >= least
    for at, (left, right, top, bottom) in enumerate(boxes):
        for other in boxes[at + 1 :]:
            apart = max(other[0] - right, left - other[1])
            assert apart > 2 or other[2] > bottom - 4 or other[3] < top + 4


def test_a_move_changes_the_figure_in_place(visit: Visit) -> None:
    page = open_page(visit)
    svg = figure(page, "top_k").locator("svg")
    svg.evaluate("(element) => { element.kept = true }")
    before = svg.inner_html()
    page.get_by_role("button", name="layer →").click()
    expect(page.locator(".st-key-follow_bar")).to_contain_text("layer 8 (0 to 15)")
    settled(page)
    page.locator(".st-key-choice_k").get_by_role("radio").first.click()
    expect(page.locator(".st-key-follow_bar")).to_contain_text("k 1 against")
    settled(page)
    expect(figure(page, "top_k")).to_have_attribute("aria-label", re.compile("the top 1 keep"))
    assert svg.evaluate("(element) => element.kept")
    assert svg.inner_html() != before


def test_a_figure_follows_the_width_of_the_window(visit: Visit) -> None:
    page = open_page(visit)
    line = figure(page, "as_run").locator("path").first
    wide = line.evaluate("(path) => path.getBBox().width")
    page.set_viewport_size({"width": 390, "height": 900})
    page.wait_for_function(NARROWER, arg=wide / 2)
