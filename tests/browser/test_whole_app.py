"""What holds for every page, and what goes from one page to another."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from olmoe_viz.ui.texts import tour as texts
from olmoe_viz.ui.tour.stops import STOPS
from tests.browser.server import WAIT, at_rest, drawn_map, settled
from tests.browser.sweep import problems, sideways

Visit = Callable[..., Page]
# Each page, the buttons that bring it to its fullest state, each with what is drawn last then.
PAGES = {
    "": {"": ".st-key-load", "Close": ".st-key-choices"},
    "follow": {
        "": ".st-key-pushes [role=img]",
        "Measure": "[class*='st-key-tradeoff_KL'] [role=img]",
    },
    "compare?tour=9&tokens=8": {
        "": "[class*=st-key-numeral]",
        "Generate": "text=Download JSON",
    },
    "lab?do=off:7.14": {
        "": ".st-key-lab_routes",
        "Draw 32 routes": ".st-key-lab_route_spread [role=img]",
    },
    "quality": {"": ".st-key-saturation"},
    "runs": {"": ".st-key-routes"},
    "classroom": {"": ".st-key-room_open"},
    "about": {"": "text=Muennighoff"},
    "glossary": {"": ".st-key-term_vocabulary-specialization"},
}
# As it is projected; in the long form only.
PRESENTED = {
    "?tour=3&present=1": {"": ".st-key-load"},
    "follow?tour=6&present=1": {"": ".st-key-pushes [role=img]"},
}


def path_of(page: Page) -> str:
    """The address without the server, as `visit` takes it."""
    return page.url.split("/", 3)[3]


def bar(page: Page) -> Locator:
    """The line on Follow that says token, layer and ks."""
    return page.locator(".st-key-follow_bar [data-testid=stText]").first


def cell(page: Page, column: int, row: int) -> dict[str, float]:
    """Middle of a cell, measured from the corner of the cells."""
    of_map = page.locator(".routing-map")
    expect(of_map).to_have_attribute("data-rasters", re.compile(r"\d"))
    width, height = (int(of_map.get_attribute(f"data-cell-{side}")) for side in ("width", "height"))
    return {"x": (column + 0.5) * width, "y": (row + 0.5) * height}


def open_page(page: Page, name: str) -> None:
    page.get_by_role("link", name=name, exact=True).click()
    settled(page)


def test_a_cell_picked_on_the_map_is_what_follow_shows(visit: Visit) -> None:
    page = visit()
    page.get_by_role("application").click(position=cell(page, 3, 9))
    expect(page.locator(".st-key-place_map")).to_contain_text("token 3  ·  layer 9")
    open_page(page, "Follow a token")
    expect(bar(page)).to_contain_text(re.compile(r"token 3 .* layer 9 \(0 to 15\)"))
    again = visit(path_of(page))
    expect(bar(again)).to_have_text(bar(page).inner_text())


def test_the_map_stays_in_its_place_when_the_controls_above_it_come_later(
    server: str, browser: Browser
) -> None:
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    held: list[Route] = []

    def hold(route: Route) -> None:  # a bound method of a list is nothing that playwright takes
        held.append(route)

    page.route(re.compile(r"/(ButtonGroup|TextArea)[.\w-]*\.js"), hold)
    page.goto(f"{server}/?order=probability")
    cells = drawn_map(page)
    expect(page.get_by_test_id("stSkeleton").first).to_be_visible()
    before = cells.bounding_box()
    for request in held:
        request.continue_()
    settled(page)
    expect(page.get_by_role("radiogroup", name="color of a cell")).to_be_visible()
    assert before == cells.bounding_box()
    page.close()


def test_a_link_opens_the_same_view_elsewhere(visit: Visit) -> None:
    page = visit("?prompt=One+two+three+four&k=4&against=32&weights=renormalized&layer=2&token=1")
    page.get_by_role("radio", name="entropy").click()
    expect(page).to_have_url(re.compile("view=entropy"))
    settled(page)
    again = visit(path_of(page), theme="dark", width=390)
    again.get_by_role("button", name="k 4 against 32, renormalized").click()
    for name in ("4", "32", "renormalized", "entropy"):
        expect(again.get_by_role("radio", name=name, exact=True, checked=True)).to_be_visible()
    place = page.locator(".st-key-place_map")
    expect(again.locator(".st-key-place_map")).to_have_text(place.inner_text())
    assert path_of(again) == path_of(page)
    again.get_by_role("button", name="k 4 against 32, renormalized").click()
    expect(again.get_by_role("radiogroup", name="against")).to_be_hidden()
    expect(page.get_by_role("button", name="k 4 against 32")).to_be_hidden()


def test_a_link_restores_what_was_marked_ordered_opened_and_chosen(visit: Visit) -> None:
    page = visit("?token=1&layer=2")
    page.locator(".routing-map").scroll_into_view_if_needed()
    page.get_by_role("application").click(position=cell(page, 3, 5), modifiers=["Shift"])
    load = page.get_by_text("that have an expert among their top")
    expect(load).to_contain_text("tokens 1 to 3")
    page.get_by_role("radio", name="by expert id").click()
    expect(page).to_have_url(re.compile("order=expert"))
    again = visit(path_of(page))
    expect(again.get_by_text("that have an expert among their top")).to_contain_text(
        "tokens 1 to 3"
    )
    expect(again.get_by_role("radio", name="by expert id", checked=True)).to_be_visible()
    assert path_of(again) == path_of(page)

    open_page(page, "Follow a token")
    page.get_by_text("The whole causal map of one head").click()
    head = page.get_by_role("spinbutton", name="head")
    head.fill("1")
    head.press("Enter")
    expect(page).to_have_url(re.compile("head=1"))
    again = visit(path_of(page))
    expect(again.get_by_role("spinbutton", name="head")).to_have_value("1")
    expect(again.locator(".st-key-attention_map svg text").first).to_be_visible()


def test_the_map_can_be_reached_and_left_with_the_keyboard(visit: Visit) -> None:
    page = visit("?order=probability")
    cells = drawn_map(page)
    page.get_by_role("radio", name="strongest expert").focus()
    for _ in range(4):
        page.keyboard.press("Tab")
        if cells.evaluate("map => map.getRootNode().activeElement === map"):
            break
    expect(cells).to_be_focused()
    for key in ("Control+Home", "ArrowRight", "ArrowDown", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    expect(page.locator(".st-key-place_map")).to_contain_text("token 1  ·  layer 2")
    page.keyboard.press("Tab")
    expect(cells).not_to_be_focused()


# Whether the tour and what it points at are where they were at the last look.
STILL = """() => {
  const parts = document.querySelectorAll("[data-tour-target], [data-testid=stBottom]")
  const now = JSON.stringify([...parts].map((part) => part.getBoundingClientRect()))
  const same = window.tourBefore === now
  window.tourBefore = now
  return same
}"""


def uncovered(page: Page, target: Locator) -> bool:
    """Whether the tour and the header leave all of the target to be seen."""
    settled(page)
    page.wait_for_function(STILL, polling=80)
    part = target.bounding_box()
    side, head = (page.get_by_test_id(f"st{name}").bounding_box() for name in ("Bottom", "Header"))
    foot = (
        page.viewport_size["height"] if side["x"] > page.viewport_size["width"] / 2 else side["y"]
    )
    beside = part["x"] + part["width"] <= side["x"] or foot == side["y"]
    return beside and head["height"] <= part["y"] and part["y"] + part["height"] <= foot


SCREENS = [(1280, 720), (1440, 900)]
IN_THE_HAND = [(768, 900), (390, 900)]


def stands_at(page: Page, number: int, screens: list[tuple[int, int]]) -> None:
    """The stop is there, and on none of the screens does it cover what it speaks of."""
    stop = STOPS[number - 1]
    expect(page.get_by_text(f"{number} of {len(STOPS)}")).to_be_visible()
    target = page.locator("[data-tour-target]")
    expect(target).to_have_class(re.compile(rf"\bst-key-{stop.target}\b"))
    for width, height in screens:
        page.set_viewport_size({"width": width, "height": height})
        assert uncovered(page, target), (number, width)
    assert f"tour={number}" in page.url
    assert page.get_by_test_id("stException").count() == 0


def test_the_tour_by_keyboard_alone_and_with_the_keys_of_a_presenter(visit: Visit) -> None:
    page = visit()
    page.emulate_media(reduced_motion="reduce")
    page.get_by_role("button", name="Tour", exact=True).press("Enter")
    stands_at(page, 1, [])
    go_on = page.get_by_role("button", name="Next", exact=True)
    go_on.press("Enter")
    stands_at(page, 2, [(1440, 900)])
    expect(go_on).to_be_focused()
    for key in ("ArrowRight", "PageDown", "Shift+Tab", "Enter"):  # back, by its button only
        page.keyboard.press(key)
    stands_at(page, 1, [])
    page.get_by_role("button", name="olmoe-nano").press("Enter")
    page.get_by_label(texts.LARGER_TYPE).press("Space")
    expect(page.get_by_role("timer")).to_have_text(re.compile(r"\d\d:\d\d · \d\d:\d\d"))
    page.keyboard.press("Escape")
    stands_at(page, 1, IN_THE_HAND + SCREENS)
    cells = page.get_by_role("application")
    zoom = cells.evaluate("cells => cells.currentCSSZoom")
    assert zoom > 1.3
    cells.hover(position={side: zoom * at for side, at in cell(page, 5, 9).items()})
    expect(page.locator(".routing-map .card")).to_contain_text("token 5 · layer 9")
    for number in range(2, len(STOPS) + 1):
        page.keyboard.press(["ArrowRight", "PageDown"][number % 2])
        stands_at(page, number, SCREENS[:: (-1) ** number])  # first where the last one was seen
    page.keyboard.press("PageUp")
    stands_at(page, len(STOPS) - 1, [])
    page.locator("textarea").press("PageDown")
    page.get_by_role("radiogroup").first.get_by_role("radio").first.press("ArrowRight")
    page.get_by_role("button", name="Full screen").press("Enter")
    page.get_by_role("button", name="Leave full screen").press("Enter")
    expect(page.get_by_role("button", name="Full screen", exact=True)).to_be_visible()
    stands_at(page, len(STOPS) - 1, [])
    go_on.press("Enter")
    page.get_by_role("button", name="Finish").press("Enter")
    expect(page.locator("[data-tour-target], .st-key-tour")).to_have_count(0)
    assert "tour" not in page.url


def test_a_stop_stays_in_view_when_its_target_is_drawn_again_and_the_page_grows(
    visit: Visit,
) -> None:
    page = visit("?tour=6", width=390, touch=True)
    target = page.locator(".st-key-follow_bar[data-tour-target]")
    assert uncovered(page, target)
    page.evaluate("""() => {
      const before = document.querySelector("[data-tour-target]")
      const after = before.cloneNode(true)
      after.removeAttribute("data-tour-target")
      before.replaceWith(after)
      const grown = document.createElement("div")
      grown.style.minHeight = "3000px"
      document.querySelector("[data-testid=stMain]").style.overflowAnchor = "none"
      document.querySelector("[data-testid=stMainBlockContainer]").prepend(grown)
    }""")
    expect(target).to_be_in_viewport(ratio=1)
    assert uncovered(page, target)


def test_larger_type_is_in_the_link(visit: Visit) -> None:
    page = visit("?present=1", width=390)
    expect(page.get_by_test_id("stWidgetLabel").first.locator("p")).to_have_css("font-size", "17px")
    assert sideways(page) <= 0
    page.get_by_role("button", name="olmoe-nano").click()
    page.get_by_text(texts.LARGER_TYPE).click()
    expect(page.get_by_test_id("stWidgetLabel").first.locator("p")).to_have_css("font-size", "13px")
    assert "present" not in page.url


@pytest.mark.parametrize(
    ("theme", "widths"),
    [
        ("light", (1440,)),
        ("dark", (390,)),
        pytest.param("light", (1280, 768, 390), marks=pytest.mark.long),
        pytest.param("dark", (1440, 1280, 768), marks=pytest.mark.long),
    ],
)
def test_every_page_can_be_read_and_touched(
    visit: Visit, server: str, theme: str, widths: tuple[int, ...], *, in_full: bool
) -> None:
    found = {}
    page = visit("about", width=widths[0], theme=theme)
    for path, states in (PAGES | (PRESENTED if in_full else {})).items():
        page.goto(f"{server}/{path}")
        for button, last in states.items():
            if button:
                page.get_by_role("button", name=button).first.click()
            expect(page.locator(last).last).to_be_visible(timeout=2 * WAIT)
        for width in widths:
            page.set_viewport_size({"width": width, "height": 900})
            at_rest(page)
            if faults := problems(page):
                found[path, width] = faults
        page.set_viewport_size({"width": widths[0], "height": 900})
    assert found == {}


def test_a_text_that_was_not_run_yet_is_said_to_be_one(visit: Visit) -> None:
    page = visit("?order=probability")
    note = page.locator(".st-key-draft_place span")
    expect(note).to_be_empty()
    prompt = page.get_by_role("textbox", name="Prompt")
    prompt.fill("Another text")
    expect(note).to_contain_text("Not run yet")
    page.get_by_role("radiogroup", name="k", exact=True).get_by_role(
        "radio", name="4", exact=True
    ).click()
    settled(page)
    expect(note).to_contain_text("Not run yet")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(note).to_be_empty()


@pytest.mark.parametrize("width", [390, 1440])
def test_copying_the_link_moves_nothing(visit: Visit, width: int) -> None:
    page = visit(width=width)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    at_rest(page)
    button, heading = page.get_by_role("button", name="Copy link"), page.locator("h2").first
    before = button.bounding_box(), heading.bounding_box()
    button.click()
    expect(page.locator(".st-key-copy_link [role=status]")).to_have_text("Copied")
    assert (button.bounding_box(), heading.bounding_box()) == before
    assert sideways(page) <= 0
