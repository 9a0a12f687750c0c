"""The routing map of Compare k grows with the text, and its cells answer afterwards."""

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.server import settled

Visit = Callable[..., Page]
LABEL = re.compile(r"Routing map, (\d+) tokens by 16 layers")


def tokens_drawn(page: Page) -> int:
    found = LABEL.match(page.get_by_role("application").get_attribute("aria-label") or "")
    return int(found.group(1)) if found else 0


def test_the_map_grows_with_the_text_and_then_chooses_the_layer(visit: Visit) -> None:
    page = visit("compare?tokens=200&columns=k%3D8~k%3D16")
    page.get_by_role("button", name="Generate").click()
    expect(page.get_by_role("application")).to_have_attribute("aria-label", LABEL)
    early = tokens_drawn(page)
    drawn = f"Routing map, {early} tokens by 16 layers"
    expect(page.get_by_role("application")).not_to_have_attribute("aria-label", drawn)
    page.locator(".st-key-stop button").click()
    expect(page.get_by_text(re.compile("tokens, stopped"))).to_have_count(2)
    settled(page)
    assert 0 < early < tokens_drawn(page) < 200
    of_map = page.locator(".routing-map")
    height = int(of_map.get_attribute("data-cell-height") or 0)
    page.get_by_role("application").click(position={"x": 40, "y": 2.5 * height})
    expect(page).to_have_url(re.compile("layer=2"))
