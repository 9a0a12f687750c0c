"""The page Class without a browser, and its sentences."""

import pytest

from olmoe_viz.ui.classroom import page
from olmoe_viz.ui.classroom.rooms import Rooms
from olmoe_viz.ui.texts import classroom as texts
from olmoe_viz.ui.tour.answers import TABLES
from tests.ui.visitor import app


def test_each_recorded_question_has_a_name() -> None:
    assert texts.NAMES.keys() == TABLES.keys()


def test_guesses_are_counted_in_words() -> None:
    assert [texts.guessed(count) for count in (0, 1, 31)] == [
        "Nobody has guessed yet.",
        "1 guess.",
        "31 guesses.",
    ]
    assert texts.bar("more", 0, 0) == "more: 0"
    assert texts.bar("more", 3, 12) == "more: 3 (25%)"


def test_the_outcome_names_what_was_measured_and_who_guessed_it() -> None:
    assert texts.outcome(("more",), 0, 0) == "Measured: “more”. Nobody guessed."
    assert texts.outcome(("k = 8", "k = 16"), 7, 31) == (
        "Measured: “k = 8” and “k = 16”. 7 of 31 guessed it."
    )


def test_where_rooms_are_off_the_page_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "rooms", lambda: Rooms(0))
    test = app(name="classroom")
    assert [info.value.replace("\\", "") for info in test.info] == [texts.OFF]
    assert not test.text_input


def test_a_wrong_code_is_refused_in_words() -> None:
    test = app(name="classroom")
    test.text_input(key="room_code").set_value("<b>bad</b>")
    test = next(each for each in test.button if each.label == texts.JOIN).click().run()
    assert [each.value.replace("\\", "") for each in test.error] == [texts.UNKNOWN]
