"""The main job in a real browser: a prompt, the map, another k, the columns."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

import olmoe_viz as ov
from olmoe_viz.figures.labels import visible
from olmoe_viz.models.model import Model
from olmoe_viz.ui.widgets.wording import place
from tests.browser.server import drawn_map, one_run, settled

Visit = Callable[..., Page]
HOSTILE = {
    "emoji": "🙂👩‍👩‍👧‍👦 fin",
    "arabic": "كان يا ما كان في قديم الزمان",
    "markup": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "formula": "$x^2$ **bold** :red[red] [link](javascript:alert(1))",
    "nul": "a\0b",
}


def ask(page: Page, prompt: str) -> None:
    page.get_by_role("textbox", name="Prompt").fill(prompt)
    with one_run(page):
        page.get_by_role("button", name="Run", exact=True).click()


def choose_k(page: Page, k: int, row: str = "k") -> None:
    group = page.get_by_role("radiogroup", name=row, exact=True)
    group.get_by_role("radio", name=str(k), exact=True).click()
    settled(page)


def cutoff_in_force(page: Page, k: int) -> Locator:
    """The bold label of the bars."""
    return page.locator('.st-key-bars svg text[font-weight="700"]').filter(has_text=f"top {k}:")


def numerals(page: Page) -> Locator:
    return page.locator("[class*=st-key-numeral] [data-testid=stText]")


def test_a_prompt_a_map_another_k_and_the_columns(visit: Visit) -> None:
    page = visit()
    ask(page, "The old woman opened the door and")
    expect(page.locator(".routing-map")).to_be_visible()
    expect(cutoff_in_force(page, 8)).to_have_css("font-size", "14px")
    choose_k(page, 32)
    expect(cutoff_in_force(page, 32)).to_have_css("font-size", "14px")
    page.get_by_role("link", name="Compare k").click()
    settled(page)
    expect(numerals(page)).to_have_text(["8", "16", "32", "64"])
    choose_k(page, 4)
    expect(numerals(page)).to_have_text(["4", "8", "16", "32", "64"])
    expect(page.get_by_role("textbox", name="Prompt")).to_have_value(
        "The old woman opened the door and"
    )


def test_a_cell_of_the_map_moves_the_panels_and_the_address(visit: Visit) -> None:
    page = visit("?prompt=One+two+three+four")
    drawn_map(page).focus()
    page.keyboard.press("Home")
    for _ in range(2):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator(".st-key-place_map")).to_contain_text("token 0")
    settled(page)
    place = page.locator(".st-key-place_map").inner_text()
    again = visit(page.url.split("/", 3)[3])
    expect(again.locator(".st-key-place_map")).to_have_text(place)
    expect(again.get_by_role("textbox", name="Prompt")).to_have_value("One two three four")


def test_the_text_grows_by_the_token_that_is_pressed(visit: Visit) -> None:
    page = visit("?prompt=The+cat+sat+on+the&against=64")
    drawn_map(page, 5)
    first = page.locator(".st-key-next_64").get_by_role("radio").first
    added = first.locator(".name").inner_text().replace("·", " ")
    with one_run(page):
        first.click()
    drawn_map(page, 6)
    prompt = page.get_by_role("textbox", name="Prompt")
    expect(prompt).to_have_value(f"The cat sat on the{added}")


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_prompts_are_shown_as_typed(visit: Visit, model: Model, name: str) -> None:
    page = visit()
    ask(page, HOSTILE[name])
    tokens = ov.trace(model, HOSTILE[name]).tokens
    last = len(tokens) - 1
    shown = page.locator(".st-key-place_map")
    expect(shown).to_have_text(place(tokens[last], last, 7, range(16)))
    settled(page)
    drawn_map(page, len(tokens)).focus()
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    expect(shown).to_contain_text(f"{visible(tokens[0])}  ·  token 0")
    expect(page.get_by_role("textbox", name="Prompt")).to_have_value(HOSTILE[name])
    for unwanted in ("[data-testid=stException]", ".katex", "img[src=x]"):
        expect(page.locator(unwanted)).to_have_count(0)


def test_ten_thousand_characters_are_refused_in_words_and_kept(visit: Visit) -> None:
    page = visit()
    prompt = "word " * 2_000
    ask(page, prompt)
    expect(page.get_by_test_id("stAlert")).to_contain_text("tokens")
    expect(page.get_by_role("textbox", name="Prompt")).to_have_value(prompt)
    assert page.get_by_test_id("stException").count() == 0


def test_the_first_visitor_with_a_link_gets_the_frame(visit: Visit) -> None:
    page = visit("follow")
    expect(page.get_by_role("textbox", name="Prompt")).to_be_visible()
    expect(page.get_by_role("link", name="Map")).to_be_visible()
