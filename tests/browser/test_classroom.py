"""A teacher's screen and two phones guess together."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from olmoe_viz.ui.texts import classroom as texts
from tests.browser.sweep import problems

Visit = Callable[..., Page]


def test_a_teacher_and_two_phones_guess_and_see_what_was_measured(visit: Visit) -> None:
    teacher = visit("classroom")
    teacher.get_by_role("button", name=texts.OPEN).press("Enter")
    code = teacher.locator(".st-key-room_shown_code").inner_text()
    phones = [visit("classroom", width=390, theme="dark", touch=True) for _ in range(2)]
    for phone, option in zip(phones, ("4 to 6 times", "more"), strict=True):
        phone.get_by_role("textbox").fill(code)
        phone.get_by_role("textbox").press("Enter")
        phone.get_by_role("button", name=option, exact=True).tap()
        expect(phone.get_by_text(texts.TAKEN)).to_be_visible()
    expect(teacher.get_by_text("more: 1 (50%)")).to_be_visible()
    assert problems(phones[0]) == []
    teacher.get_by_role("button", name=texts.REVEAL).press("Enter")
    for page in (teacher, *phones):
        expect(page.get_by_text("of 2 guessed it.")).to_be_visible()
    assert problems(teacher) == []
    teacher.get_by_role("button", name=texts.CLOSE).press("Enter")
    expect(phones[1].get_by_text(texts.GONE)).to_be_visible()
