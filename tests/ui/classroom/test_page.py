"""The page Class without a browser, and its sentences."""

import pytest

from olmoe_viz.figures.labels import k_is
from olmoe_viz.numerics.proportions import wilson
from olmoe_viz.ui.classroom import page
from olmoe_viz.ui.classroom.questions import asked, outcome
from olmoe_viz.ui.classroom.rooms import Room, Rooms
from olmoe_viz.ui.texts import classroom as texts
from olmoe_viz.ui.texts.quality import equal_ks
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


def test_a_vote_is_told_with_its_interval() -> None:
    assert texts.vote(0, 0, (0, 1)) == "Nobody voted."
    told = [texts.vote(first, 20, wilson(first, 20)) for first in (11, 17, 3)]
    assert told[0].startswith("11 of 20 chose text A: 55% (95% interval 34% to 74%, Wilson 1927).")
    assert told[0].endswith("does not tell the texts apart.")
    assert told[1].endswith("So the class prefers text A.")
    assert told[2].endswith("So the class prefers text B.")


def test_what_was_measured_is_better_or_equal() -> None:
    bits = [(1.2, 1.1, 1.3), (2.5, 2.4, 2.6)]
    assert texts.measured((8, 64), bits, [8]) == (
        "Measured on held-out text, in bits per byte, where lower is better: 1.200 (1.100 to 1.300)"
        f" with {k_is(8)} and 2.500 (2.400 to 2.600) with {k_is(64)}. {k_is(8)} predicts better; "
        "two texts alone cannot show that."
    )
    assert texts.measured((8, 16), bits, [8, 16]).endswith(equal_ks([8, 16]))


def test_a_pair_is_shown_either_way_and_its_ks_are_told_as_shown() -> None:
    shown = {}
    for code in ("b" * 8, "c" + "b" * 7):
        room = Room(code, "pair 1", 0.0)
        question = asked("pair 1", room)
        assert question.pair is not None
        shown[question.pair.ks] = question.pair.texts
        short, full, _ = outcome("pair 1", question, [3, 1])
        assert short == texts.unblinded(question.pair.ks)
        assert "3 of 4 chose text A" in full
    assert shown[8, 64] == shown[64, 8][::-1]


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
