"""The page Class without a browser, and its sentences."""

import pytest
from streamlit.testing.v1 import AppTest

from olmoe_viz.figures.labels import k_is
from olmoe_viz.numerics.proportions import wilson
from olmoe_viz.ui.classroom import invitation, rooms, same_browser
from olmoe_viz.ui.classroom.questions import asked, outcome
from olmoe_viz.ui.classroom.rooms import NEW_ROOMS_EACH, Room, Rooms
from olmoe_viz.ui.texts import classroom as texts
from olmoe_viz.ui.texts.quality import equal_ks
from olmoe_viz.ui.tour.answers import TABLES
from tests.ui.classroom.conftest import Guess
from tests.ui.visitor import app, checked


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
        room = Room(code, "teacher", "pair 1", 0.0, 0.0)
        question = asked("pair 1", room)
        assert question.pair is not None
        shown[question.pair.ks] = question.pair.texts
        short, full, _ = outcome("pair 1", question, [3, 1])
        assert short == texts.unblinded(question.pair.ks)
        assert "3 of 4 chose text A" in full
    assert shown[8, 64] == shown[64, 8][::-1]


@pytest.fixture
def own_rooms(monkeypatch: pytest.MonkeyPatch) -> Rooms:
    """Rooms of one test."""
    found = Rooms(2)
    monkeypatch.setattr(rooms, "current", lambda: found)
    return found


def press(test: AppTest, label: str) -> AppTest:
    return checked(next(each for each in test.button if each.label == label).click().run())


def refusals(test: AppTest) -> list[str]:
    return [each.value.replace("\\", "") for each in test.error]


def test_where_rooms_are_off_the_page_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms, "current", lambda: Rooms(0))
    test = app(name="classroom")
    assert [info.value.replace("\\", "") for info in test.info] == [texts.OFF]
    assert not test.text_input


def test_a_wrong_code_is_refused_in_words(own_rooms: Rooms) -> None:
    test = app(name="classroom")
    test.text_input(key="room_code").set_value("<b>bad</b>")
    assert refusals(press(test, texts.JOIN)) == [texts.UNKNOWN]


def test_a_link_into_another_process_says_so_and_counts_as_no_wrong_code(own_rooms: Rooms) -> None:
    for _ in range(2):
        test = app(f"room={'b' * 8}~{Rooms(1).process}", name="classroom")
        assert refusals(test) == [texts.ELSEWHERE]
    assert not own_rooms._wrong
    assert invitation.parts("bcdf ghjk") == ("bcdf ghjk", own_rooms.process)


def test_forty_votes_on_two_texts_are_told_with_their_interval(
    own_rooms: Rooms, forty_phones: Guess
) -> None:
    test = app(name="classroom")
    test.selectbox(key="room_question").set_value("pair 1")
    test = press(test, texts.OPEN)
    (room,) = own_rooms._rooms.values()
    pair = asked("pair 1", room).pair
    assert pair is not None
    assert not [each for each in test.markdown if texts.unblinded(pair.ks) in each.value]
    forty_phones(own_rooms, room.code, "pair 1", lambda number: int(number < 9))
    test = press(test, texts.REVEAL)
    answer = next(each.value for each in test.markdown if texts.unblinded(pair.ks) in each.value)
    assert texts.vote(31, 40, wilson(31, 40)) in answer
    assert "Measured on held-out text" in answer


def test_after_a_reload_a_browser_is_where_it_was(
    own_rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = own_rooms.open("quality", "teacher's")
    monkeypatch.setattr(same_browser, "number", lambda: "phone's")
    for _ in range(2):
        test = app(f"room={invitation.named(room)}", name="classroom")
        test = checked(test.button(key="room_option_3").click().run())
        assert room.counts(7) == [0, 0, 0, 1, 0, 0, 0]
        assert texts.TAKEN in [each.value for each in test.caption]
    monkeypatch.setattr(same_browser, "number", lambda: "teacher's")
    for query in ("", f"room={invitation.named(room)}"):
        test = app(query, name="classroom")
        assert texts.REVEAL in [each.label for each in test.button]
    press(test, texts.CLOSE)
    assert not own_rooms.holds(room)


def test_one_browser_opens_so_many_rooms_a_minute(own_rooms: Rooms) -> None:
    test = app(name="classroom")
    for _ in range(NEW_ROOMS_EACH):
        test = press(press(test, texts.OPEN), texts.CLOSE)
    assert refusals(press(test, texts.OPEN)) == [texts.OPENED]


def test_the_qr_code_is_a_picture_that_asks_nobody() -> None:
    drawn = invitation.qr("http://192.0.2.7:8501/classroom?room=bcdfghjk~0123abcd")
    assert drawn.startswith("<svg")
    assert "http" not in drawn
    assert invitation.qr("http://192.0.2.7/") != drawn
