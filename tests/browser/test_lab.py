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


def test_a_slider_of_a_layer_answers_to_keys(visit: Visit) -> None:
    page = visit("lab?prompt=Once+upon+a")
    slider = page.get_by_role("slider", name="k in layer 3", exact=True)
    slider.press("ArrowLeft")
    slider.press("ArrowLeft")
    expect(page).to_have_url(re.compile(r"layer_ks=8-8-8-6(-8){12}\b"))
    settled(page)
    expect(slider).to_be_focused()
    expect(slider).to_have_attribute("aria-valuetext", "6 experts")
    page.get_by_role("button", name="The k above in all layers").click()
    expect(slider).to_have_attribute("aria-valuetext", "8 experts")
    expect(page).not_to_have_url(re.compile("layer_ks="))


def test_the_map_says_what_was_measured_and_what_was_not(visit: Visit) -> None:
    page = visit("?prompt=Once+upon+a&view=effect&token=1&layer=3")
    page.get_by_role("button", name="Measure this token").click()
    page.get_by_text("Measured so far: token 1.").wait_for()
    settled(page)
    grid = page.get_by_role("application")
    grid.press("ArrowDown")
    spoken = page.locator(".spoken")
    said = r"layer 4.*mattered most 4·\d+\. without it the prediction moves by [\d.e-]+ nats of KL"
    expect(spoken).to_have_text(re.compile(said))
    grid.press("ArrowRight")
    expect(spoken).to_have_text(re.compile("effect not measured"))
    expect(page.locator(".legend")).to_contain_text(re.compile(r"logarithmic\s*0\.0\d+.*\d"))
