"""The routing map answers to pointer, finger and keys, and tells Python what was picked."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from olmoe_viz.figures.labels import k_is
from tests.browser.routing_map_app import HOSTILE, SCRIPT
from tests.browser.server import ROOT, serve, settled

Visit = Callable[..., Page]
# Clicks one button after the other, some frames of the screen apart.
BURST = """async ([buttons, frames]) => {
  for (const button of buttons) {
    button.click()
    for (let frame = 0; frame < frames; frame += 1) await new Promise(requestAnimationFrame)
  }
}"""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Address of the page with nothing but the map."""
    with serve(SCRIPT) as address:
        yield address


@pytest.fixture
def open_map(visit: Visit) -> Visit:
    """Return a function that opens the page and waits until the map is drawn."""

    def open_page(query: str = "", **wishes: object) -> Page:
        page = visit(f"?{query}", wait=False, **wishes)
        expect(page.locator(".routing-map")).to_have_attribute("data-rasters", re.compile(r"\d"))
        return page

    return open_page


def cells(page: Page) -> Locator:
    return page.get_by_role("application")


def at(page: Page, column: int, row: int) -> dict[str, float]:
    """Middle of a cell, measured from the corner of the cells."""
    of_map = page.locator(".routing-map")
    width, height = (int(of_map.get_attribute(f"data-cell-{side}")) for side in ("width", "height"))
    return {"x": (column + 0.5) * width, "y": (row + 0.5) * height}


def picked(page: Page, *corners: int | None) -> None:
    words = " ".join(map(str, (*corners, *([None] * (4 - len(corners))))))
    expect(page.get_by_text("picked")).to_have_text(f"picked {words}")


def test_a_click_picks_a_cell(open_map: Visit) -> None:
    page = open_map()
    cells(page).click(position=at(page, 5, 9))
    picked(page, 5, 9)
    expect(page.locator(".card")).to_contain_text("layer 9")
    expect(page.locator(".routing-map")).to_have_attribute("data-rasters", "1")


def test_rows_are_the_layers_of_experts_by_their_absolute_ids(open_map: Visit) -> None:
    page = open_map("sparse=yes")  # layers 1, 3 and 4
    picked(page, 1, 4)
    cells(page).click(position=at(page, 5, 1))
    picked(page, 5, 3)
    expect(page.locator(".card")).to_contain_text("layer 3")
    cells(page).focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator(".spoken")).to_contain_text("layer 4.")
    page.keyboard.press("Shift+ArrowUp")
    page.keyboard.press("Shift+ArrowUp")
    page.keyboard.press("Enter")
    picked(page, 5, 1, 5, 4)
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    picked(page, 5, 1)


def test_the_card_says_what_ran_and_what_another_k_would_choose(open_map: Visit) -> None:
    page = open_map("against=k%3D12")
    cells(page).hover(position=at(page, 4, 1))
    card = page.locator(".card")
    expect(card).to_contain_text(re.compile(r"1·\d+ strongest of 8, 0\.\d+"))
    expect(card).to_contain_text(f"hollow: cut off at {k_is(8)}")
    expect(card).to_contain_text("mass of the top 8")
    expect(card).to_contain_text(f"{k_is(12)} would keep")
    assert card.locator(".expert.selected").count() == 8
    assert card.locator(".expert.cut").count() == 4


def test_an_expert_is_followed_within_its_layer(open_map: Visit) -> None:
    page = open_map("view=follow")  # 2·12
    card = page.locator(".card")
    for row, followed in ((2, True), (3, False)):
        cells(page).hover(position=at(page, 4, row))
        expect(card).to_contain_text(f"layer {row}")
        assert ("expert 2·12" in card.inner_text()) == followed


def test_the_card_shows_as_many_experts_as_a_threshold_let_through(open_map: Visit) -> None:
    page = open_map("policy=k%3D8%2Cp%3E%3D0.05")
    card, counts = page.locator(".card"), set()
    for column in range(6):
        cells(page).hover(position=at(page, column, 3))
        expect(card).to_contain_text(f"token {column} · layer 3")
        ran = card.locator(".expert.selected").count()
        expect(card).to_contain_text(f"mass of the top {ran}")
        counts.add(ran)
    assert len(counts) > 1


def test_dragging_and_shift_pick_a_range(open_map: Visit) -> None:
    page = open_map()
    box = cells(page).bounding_box()
    start, end = at(page, 6, 8), at(page, 3, 10)
    page.mouse.move(box["x"] + start["x"], box["y"] + start["y"])
    page.mouse.down()
    page.mouse.move(box["x"] + end["x"], box["y"] + end["y"], steps=4)
    page.mouse.up()
    picked(page, 3, 8, 6, 10)
    cells(page).click(position=at(page, 7, 12), modifiers=["Shift"])
    picked(page, 3, 8, 7, 12)


def test_a_drag_that_ends_outside_still_picks(open_map: Visit) -> None:
    page = open_map()
    box = cells(page).bounding_box()
    page.mouse.move(box["x"] + at(page, 4, 14)["x"], box["y"] + at(page, 4, 14)["y"])
    page.mouse.down()
    page.mouse.move(box["x"] + at(page, 4, 15)["x"], box["y"] + at(page, 4, 15)["y"])
    page.mouse.move(box["x"] + at(page, 4, 15)["x"], box["y"] + box["height"] + 60)
    page.mouse.up()
    picked(page, 4, 14, 4, 15)


def test_the_keyboard_goes_everywhere(open_map: Visit) -> None:
    page = open_map()
    cells(page).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    expect(page.locator(".spoken")).to_contain_text("Token 2, ·a, layer 3.")
    expect(page.locator(".spoken")).to_contain_text("mass of the top 8")
    page.keyboard.press("Enter")
    picked(page, 2, 3)
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    picked(page, 11, 3)
    page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("Shift+ArrowUp")
    page.keyboard.press("Enter")
    picked(page, 10, 2, 11, 3)
    page.keyboard.press("Escape")
    picked(page, 10, 2)  # the first cell of the range
    expect(page.locator(".card")).to_be_hidden()
    page.keyboard.press("Escape")
    page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("Escape")  # gives up what was not confirmed
    picked(page, 10, 2)
    page.keyboard.press("Control+Home")
    page.keyboard.press(" ")
    picked(page, 0, 0)


def test_on_a_phone_the_map_turns_and_answers_to_a_tap(open_map: Visit) -> None:
    page = open_map("tokens=60", width=390, touch=True)
    of_map = page.locator(".routing-map")
    expect(of_map).to_have_attribute("data-turned", "true")
    assert int(of_map.get_attribute("data-cell-width")) >= 24
    cells(page).tap(position=at(page, 3, 5))
    picked(page, 5, 3)
    card = page.locator(".card")
    expect(card).to_contain_text("layer 3")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    # Scrolled up to the page's head, where the map ends below: the card is not under the head.
    last = int(of_map.locator(".frame").bounding_box()["height"] / at(page, 0, 0.5)["y"]) - 3
    cells(page).evaluate(
        """(cells, y) => document.querySelector("[data-testid=stMain]").scrollBy(
          0, cells.getBoundingClientRect().y + y - 120)""",
        at(page, 0, last)["y"],
    )
    cells(page).tap(position=at(page, 3, last))
    picked(page, last, 3)
    expect(card).to_contain_text(f"token {last} ")
    assert card.bounding_box()["y"] >= page.locator("header").bounding_box()["height"]


def test_a_burst_of_steps_ends_where_the_last_one_went(open_map: Visit) -> None:
    """Each step interrupts the run of the one before; `visit` fails if the page logs an error."""
    page = open_map("tokens=60", width=390, touch=True)
    cells(page).tap(position=at(page, 3, 5))
    picked(page, 5, 3)
    steps = [page.get_by_role("button", name=name) for name in ("token →", "← token")]
    for frames in (2, 3):
        page.evaluate(BURST, [[step.element_handle() for step in steps] * 20, frames])
    page.evaluate(BURST, [[steps[0].element_handle()], 0])
    picked(page, 6, 3)


def test_a_finger_steps_to_the_cell_that_it_missed(open_map: Visit) -> None:
    page = open_map("tokens=60", width=390, touch=True)
    cells(page).tap(position=at(page, 3, 5))
    picked(page, 5, 3)
    steps = page.locator(".steps button")
    assert [steps.nth(n).bounding_box()["height"] >= 40 for n in range(4)] == [True] * 4
    page.get_by_role("button", name="token →").tap()
    picked(page, 6, 3)
    expect(page.locator(".card")).to_contain_text("token 6 · layer 3")
    for _ in range(3):
        page.get_by_role("button", name="← layer").tap()
    picked(page, 6, 0)
    expect(page.get_by_role("button", name="← layer")).to_be_disabled()
    for _ in range(15):
        page.get_by_role("button", name="layer →").tap()
    picked(page, 6, 15)
    # The map has scrolled to the cell inside itself.
    assert page.locator(".scroll").evaluate("map => map.scrollLeft") > 0
    page.get_by_role("button", name="Select a range").tap()
    expect(steps.first).to_be_hidden()


def test_a_mouse_needs_no_steps(open_map: Visit) -> None:
    expect(open_map().locator(".steps")).to_be_hidden()


def test_a_range_can_be_tapped(open_map: Visit) -> None:
    page = open_map("tokens=60", width=390, touch=True)
    button = page.get_by_role("button", name="Select a range")
    assert button.bounding_box()["height"] >= 40
    button.tap()
    expect(page.get_by_text("Choose the first cell.")).to_be_visible()
    cells(page).tap(position=at(page, 6, 4))
    expect(page.get_by_text("Now choose the last cell.")).to_be_visible()
    expect(page.locator(".card")).to_be_hidden()
    picked(page, 1, 2)
    cells(page).tap(position=at(page, 3, 8))
    picked(page, 4, 3, 8, 6)
    expect(page.locator(".card")).to_be_hidden()
    expect(button).to_have_attribute("aria-pressed", "false")
    cells(page).tap(position=at(page, 5, 5))
    picked(page, 5, 5)


def test_the_button_asks_for_a_range_by_keyboard_too(open_map: Visit) -> None:
    page = open_map()
    button = page.get_by_role("button", name="Select a range")
    button.click()
    button.click()  # asks no more
    expect(button).to_have_attribute("aria-pressed", "false")
    button.click()
    cells(page).focus()
    for key in ("Enter", "ArrowRight", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    picked(page, 1, 2, 2, 3)


def test_token_text_stays_text(open_map: Visit) -> None:
    page = open_map()
    cells(page).hover(position=at(page, 4, 1))
    expect(page.locator(".card .token")).to_have_text(HOSTILE.replace(" ", "·"))
    assert page.locator(".routing-map img").count() == 0


def box(of: Locator) -> dict[str, float]:
    found = of.bounding_box()
    assert found is not None
    return found


def test_the_selected_cell_is_brought_into_view_once(open_map: Visit) -> None:
    page = open_map("tokens=400&token=390")
    offset, width = cells(page).evaluate("map => [map.scrollLeft, map.clientWidth]")
    cell = int(page.locator(".routing-map").get_attribute("data-cell-width"))
    assert offset <= 390 * cell <= offset + width - cell
    cells(page).evaluate("map => { map.scrollLeft = 0; }")
    page.get_by_role("button", name="Again").click()
    settled(page)
    assert cells(page).evaluate("map => map.scrollLeft") == 0


def test_a_token_says_its_bytes_and_the_characters_that_they_belong_to(open_map: Visit) -> None:
    page = open_map("text=a%D9%83b")  # an Arabic letter of two bytes
    card = page.locator(".card")
    cells(page).hover(position=at(page, 2, 4))
    expect(card).to_contain_text("1 byte83")
    expect(card).to_contain_text("part of the characterك")
    cells(page).hover(position=at(page, 3, 4))
    expect(card).not_to_contain_text("character")


def test_the_card_leaves_the_range_free_that_the_keyboard_selects(open_map: Visit) -> None:
    page = open_map()
    cells(page).focus()
    card = page.locator(".card")
    for last in ((1, 3), (2, 3), (2, 4), (3, 4), (3, 5)):
        page.keyboard.press("Shift+ArrowRight" if last in ((2, 3), (3, 4)) else "Shift+ArrowDown")
        expect(card).to_contain_text(f"token {last[0]} · layer {last[1]}")
        start, end, cover = at(page, 1, 2), at(page, *last), box(card)
        corner = box(cells(page))
        right, bottom = corner["x"] + end["x"], corner["y"] + end["y"]
        left, top = corner["x"] + start["x"], corner["y"] + start["y"]
        beside = cover["x"] >= right or cover["x"] + cover["width"] <= left
        assert beside or cover["y"] >= bottom or cover["y"] + cover["height"] <= top
    page.keyboard.press("Enter")
    picked(page, 1, 2, 3, 5)
    for key in ("Control+Home", "Shift+Control+End"):  # all of it: no place beside it is left
        page.keyboard.press(key)
    expect(card).to_be_hidden()


def test_on_a_phone_words_say_which_part_of_the_map_is_in_view(open_map: Visit) -> None:
    page = open_map("tokens=60", width=390, touch=True)
    told = page.locator(".seen")
    expect(told).to_contain_text("In view: layers 0 to")
    expect(told).to_contain_text("(of 0 to 15), tokens 0 to")
    above = box(cells(page))
    cells(page).evaluate("map => { map.scrollLeft = map.scrollWidth; map.scrollTop = 500; }")
    expect(told).to_contain_text("to 15 (of 0 to 15)")
    assert box(cells(page)) == above
    expect(open_map("tokens=60").locator(".seen")).to_be_hidden()


def test_a_rerun_keeps_place_and_drawing(open_map: Visit) -> None:
    page = open_map("tokens=400")
    settled(page)
    cells(page).evaluate("element => { element.scrollLeft = 1200; }")
    page.get_by_role("button", name="Again").click()
    settled(page)
    assert cells(page).evaluate("element => element.scrollLeft") == 1200
    expect(page.locator(".routing-map")).to_have_attribute("data-rasters", "1")


def test_a_pick_does_not_send_the_data_again(browser: Browser, server: str) -> None:
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    received = [0]

    def count(payload: str | bytes) -> None:
        received[0] += len(payload)

    page.on("websocket", lambda socket: socket.on("framereceived", count))
    page.goto(f"{server}/?tokens=1000")
    expect(page.locator(".routing-map")).to_have_attribute("data-rasters", "1")
    settled(page)
    first = received[0]
    cells(page).click(position=at(page, 5, 9))
    picked(page, 5, 9)
    settled(page)
    page.close()
    assert first > 200_000
    assert received[0] - first < 10_000


def test_the_map_grows_while_text_arrives(open_map: Visit, visit: Visit) -> None:
    page = open_map("tokens=40&live=one")
    of_map = page.locator(".routing-map")
    expect(cells(page)).to_have_attribute("aria-label", "Routing map, 20 tokens by 16 layers")
    of_map.evaluate("element => { element.dataset.mine = 'yes'; }")
    visit("?go_on=one")
    settled(page)
    expect(cells(page)).to_have_attribute("aria-label", "Routing map, 40 tokens by 16 layers")
    expect(of_map).to_have_attribute("data-mine", "yes")  # never replaced
    ended = "element => element.scrollLeft + element.clientWidth >= element.scrollWidth - 1"
    assert cells(page).evaluate(ended)
    cells(page).click(position=at(page, 1, 1))
    expect(page.locator(".card")).to_be_visible()
    picked(page, 1, 2)


def test_an_answer_to_an_earlier_pick_does_not_set_the_hand_back(browser: Browser) -> None:
    page = browser.new_page()
    code = (ROOT / "olmoe_viz/figures/interactive_map/picks.js").read_text("utf-8")
    steps = """
        const picks = new Picks()
        const news = [picks.news({ token: 0 }), picks.news({ token: 0 })]
        for (const token of [1, 2]) picks.sent({ token })
        for (const token of [1, 2, 7]) news.push(picks.news({ token }))
        picks.sent({ token: 3 })
        return [...news, picks.news({ token: 9 })]
    """
    # First and again; both answers; a choice made elsewhere, also in place of an answer.
    assert page.evaluate(f"() => {{ {code} {steps} }}") == [True, False, False, True, True, True]
    page.close()
