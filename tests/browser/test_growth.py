"""The routing map of Compare k grows with the text, and its cells answer afterwards."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.server import ENDLESS, WAIT, settled

Visit = Callable[..., Page]
TOP = """element => element.getBoundingClientRect().top
  + document.querySelector(".stMain").scrollTop"""
LABEL = re.compile(r"Routing map, (\d+) tokens by 16 layers")


def tokens_drawn(page: Page) -> int:
    found = LABEL.match(page.get_by_role("application").get_attribute("aria-label") or "")
    return int(found.group(1)) if found else 0


def pick(page: Page, layer: int) -> None:
    height = int(page.locator(".routing-map").get_attribute("data-cell-height") or 0)
    page.get_by_role("application").click(position={"x": 40, "y": (layer + 0.5) * height})


def test_the_map_grows_with_the_text_and_then_chooses_the_layer(visit: Visit) -> None:
    page = visit(f"{ENDLESS}&columns=k%3D8~k%3D16")
    page.get_by_role("button", name="Generate").click()
    expect(page.get_by_role("application")).to_have_attribute("aria-label", LABEL)
    early = tokens_drawn(page)
    drawn = f"Routing map, {early} tokens by 16 layers"
    expect(page.get_by_role("application")).not_to_have_attribute("aria-label", drawn)
    # A click shows the cell and does not end the writing.
    pick(page, 2)
    expect(page.locator(".routing-map .card")).to_be_visible()
    drawn = f"Routing map, {tokens_drawn(page)} tokens by 16 layers"
    expect(page.get_by_role("application")).not_to_have_attribute("aria-label", drawn)
    assert "layer=" not in page.url
    page.locator(".st-key-stop button").click()
    expect(page.get_by_text(re.compile("tokens, stopped"))).to_have_count(2)
    settled(page)
    assert 0 < early < tokens_drawn(page) < 512
    pick(page, 2)
    expect(page).to_have_url(re.compile("layer=2"))


@pytest.mark.parametrize("width", [390, 1440])
def test_a_cell_answers_as_soon_as_the_text_has_ended(visit: Visit, width: int) -> None:
    # So few tokens that a map of a finished text alone would have other sizes.
    page = visit("compare?tokens=8&columns=k%3D8~k%3D16", width=width, touch=width < 500)
    page.get_by_role("button", name="Generate").click()
    expect(page.get_by_role("button", name="Download JSON")).to_be_visible(timeout=2 * WAIT)
    settled(page)
    below = page.get_by_role("heading", name="Measured quality of each text and setting")
    before = below.evaluate(TOP)
    assert page.get_by_role("button", name="Select a range").count() == 0
    expect(page.locator(".routing-map .foot")).not_to_contain_text("range", use_inner_text=True)
    cells = page.get_by_role("application")
    if width < 500:
        # No room is left over below the last token.
        box = page.locator(".routing-map .frame").bounding_box()
        assert box is not None
        assert box["height"] < 24 + 8 * 28 + 20
        cells.tap(position={"x": 2.5 * 24, "y": 40})
    else:
        pick(page, 2)
    expect(page).to_have_url(re.compile("layer=2"))
    settled(page)
    assert below.evaluate(TOP) == pytest.approx(before, abs=1)
    if width < 500:
        return
    page.keyboard.down("Shift")
    pick(page, 5)
    page.keyboard.up("Shift")
    # With a range the layer would be its first.
    expect(page).to_have_url(re.compile("layer=5"))
