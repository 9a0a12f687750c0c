"""The overview: it plays, stops, answers to keys, leads to a step, and stands still where asked."""

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.server import drawn_map, settled

Visit = Callable[..., Page]


def test_the_first_visit_shows_the_model_at_work_and_a_part_leads_to_its_step(visit: Visit) -> None:
    page = visit()
    place = page.get_by_role("slider", name="Place in the model")
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    place.press("Home")
    expect(place).to_have_attribute("aria-valuetext", re.compile("cut into tokens.*‘·who’"))
    for _ in range(3):
        place.press("ArrowRight")
    said = re.compile(r"^Layer 0, of 0 to 15\. The router gives each of 64 experts")
    expect(place).to_have_attribute("aria-valuetext", said)
    lit = ".model-overview .grid i[style*=background]:not([style*='background: ;'])"
    expect(page.locator(lit)).to_have_count(64)
    place.press("ArrowRight")
    expect(page.locator(lit)).to_have_count(8)
    place.press("End")
    expect(page.locator(".model-overview .said")).to_contain_text("‘·lived’ comes next")
    place.press("Home")
    page.get_by_role("button", name="Play").press("Enter")
    expect(place).not_to_have_attribute("aria-valuetext", re.compile("cut into tokens"))
    place.press("End")
    page.get_by_role("button", name="router: open step 4").press("Enter")
    expect(page.get_by_role("heading", name="Router")).to_be_focused()
    assert "layer=15" in page.url


def test_it_stands_still_where_motion_is_reduced_and_can_be_closed(visit: Visit) -> None:
    page = visit("about")
    page.emulate_media(reduced_motion="reduce")
    page.get_by_role("link", name="Map", exact=True).click()
    settled(page)
    expect(page.get_by_role("slider", name="Place in the model")).to_have_value("0")
    expect(page.get_by_role("button", name=re.compile("^(Play|Pause)$"))).to_have_count(0)
    drawn = drawn_map(page).element_handle()
    page.get_by_role("button", name="Close").click()
    expect(page.locator(".model-overview")).to_have_count(0)
    expect(page.get_by_role("radiogroup", name="k", exact=True)).to_be_visible()
    page.get_by_role("button", name="What is this?").click()
    expect(page.locator(".model-overview")).to_be_visible()
    settled(page)
    assert drawn.evaluate("it => it.isConnected"), "the map below was drawn anew"
