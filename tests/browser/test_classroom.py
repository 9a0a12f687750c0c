"""A teacher's screen and two phones guess and vote; stops of one's own; the lesson."""

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from olmoe_viz.figures.labels import k_is
from olmoe_viz.models.catalogue import BUNDLED
from olmoe_viz.ui.session.selection import entry
from olmoe_viz.ui.texts import classroom as texts
from olmoe_viz.ui.texts import tour
from olmoe_viz.ui.tour import own_stops
from tests.browser.server import ROOT, settled
from tests.browser.sweep import problems

Visit = Callable[..., Page]


def reload(page: Page) -> None:
    page.reload()
    settled(page)


def fits_when_presented(teacher: Page) -> None:
    """On a small projector the question, both texts and what is guessed are there at once."""
    size = teacher.viewport_size
    assert size is not None
    teacher.set_viewport_size({"width": 1280, "height": 720})
    switch = teacher.get_by_role("switch", name=tour.LARGER_TYPE)
    switch.check(force=True)
    expect(teacher.get_by_role("heading", name=texts.TITLE)).to_be_hidden()
    teacher.get_by_test_id("stMain").evaluate("main => main.scrollTo(0, 0)")
    expect(teacher.get_by_text(texts.BLIND)).to_be_in_viewport(ratio=1)
    expect(teacher.get_by_role("button", name=texts.REVEAL)).to_be_in_viewport(ratio=1)
    switch.uncheck(force=True)
    expect(teacher.get_by_role("heading", name=texts.TITLE)).to_be_visible()
    teacher.set_viewport_size(size)


def test_a_class_guesses_votes_and_loses_nothing_by_a_reload(visit: Visit) -> None:
    teacher = visit("classroom")
    teacher.get_by_role("button", name=texts.OPEN).press("Enter")
    code = teacher.locator(".st-key-room_shown_code").inner_text()
    expect(teacher.get_by_role("img", name=texts.QR)).to_be_visible()
    expect(teacher).to_have_url(re.compile(code.replace(" ", "")))
    link = teacher.url.split("/", 3)[3]
    typed = visit("classroom", width=390, theme="dark", touch=True)
    typed.get_by_role("textbox").fill(code)
    typed.get_by_role("textbox").press("Enter")
    scanned = visit(link, width=390, theme="dark", touch=True)
    for phone, option in ((typed, "4 to 6 times"), (scanned, "2 to 4 times")):
        phone.get_by_role("button", name=option, exact=True).tap()
        expect(phone.get_by_text(texts.TAKEN)).to_be_visible()
    reload(scanned)
    expect(scanned.get_by_text(texts.TAKEN)).to_be_visible()
    scanned.get_by_role("button", name="more", exact=True).tap()
    expect(teacher.get_by_text("more: 1 (50%)")).to_be_visible()
    reload(teacher)
    expect(teacher.get_by_text("2 guesses.")).to_be_visible()
    teacher.get_by_role("button", name=texts.REVEAL).press("Enter")
    for page in (teacher, typed):
        expect(page.get_by_text("1 of 2 guessed it.")).to_be_visible()

    teacher.get_by_role("combobox", name=texts.QUESTION).click()
    teacher.get_by_role("option", name=texts.pair(1)).click()
    teacher.get_by_role("button", name=texts.AGAIN).press("Enter")
    expect(teacher.get_by_text(texts.BLIND)).to_be_visible()
    fits_when_presented(teacher)
    for phone in (typed, scanned):
        phone.get_by_role("button", name=texts.BLIND_OPTIONS[0]).tap()
        expect(phone.get_by_text(texts.TAKEN)).to_be_visible()
    assert problems(typed) == []
    expect(typed.get_by_text(k_is(64))).to_have_count(0)
    teacher.get_by_role("button", name=texts.REVEAL).press("Enter")
    for page in (teacher, typed):
        vote = page.get_by_text("2 of 2 chose text A: 100% (95% interval 34% to 100%")
        expect(vote).to_contain_text(f"with {k_is(64)}")
    assert problems(teacher) == []
    teacher.get_by_role("button", name=texts.CLOSE).press("Enter")
    expect(teacher.get_by_role("button", name=texts.OPEN)).to_be_visible()
    expect(typed.get_by_text(texts.GONE)).to_be_visible()


def test_a_link_leads_through_stops_of_ones_own_and_class_to_the_lesson(visit: Visit) -> None:
    sample = (ROOT / "docs" / "stops.yaml").read_bytes()
    link = own_stops.from_file(sample, is_json=False, model=entry(BUNDLED)).link
    page = visit(f"?stops={link}&tour=4", width=390, touch=True)
    expect(page).to_have_url(re.compile(rf"/quality\?.*stops={link}"))
    expect(page.get_by_text("4 of 4")).to_be_visible()
    page.get_by_role("button", name=tour.FINISH).tap()
    expect(page.get_by_text("4 of 4")).to_have_count(0)
    assert "stops" not in page.url
    page = visit("classroom", width=390, touch=True)
    page.get_by_role("link", name=texts.TO_LESSON).tap()
    expect(page.get_by_role("heading", name="0 to 5: the picture")).to_be_visible()
    settled(page)
    assert problems(page) == []
