"""Lab in a browser: the grid of experts answers to the keyboard, and keeps its focus."""

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.server import settled

Visit = Callable[..., Page]


def test_an_expert_is_switched_off_and_taken_back_by_keys(visit: Visit) -> None:
    page = visit("lab?prompt=Once+upon+a&layer=3")
    grid = page.get_by_role("grid")
    grid.get_by_label(re.compile(r"^3·0,")).press("ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"do=off(%3A|:)4\.1\b"))
    cell = grid.get_by_label(re.compile(r"^4·1,.*switched off$"))
    expect(cell).to_be_focused()
    settled(page)
    expect(page.get_by_role("button", name="4·1 switched off")).to_be_visible()
    page.keyboard.press("Space")
    expect(page).not_to_have_url(re.compile("do="))
