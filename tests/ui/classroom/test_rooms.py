"""Rooms: forty phones at once, and what bounds them."""

import pytest

from olmoe_viz.ui.classroom.rooms import (
    CODE_LENGTH,
    LONGEST_SECONDS,
    MOST_GUESSES,
    NEW_ROOMS,
    NEW_ROOMS_EACH,
    UNSEEN_SECONDS,
    WRONG_CODES,
    Rooms,
    TooManyAttemptsError,
    TooManyOpenedError,
    TooManyRoomsError,
)
from tests.ui.classroom.conftest import Guess


def test_forty_phones_join_guess_and_guess_again_at_once(forty_phones: Guess) -> None:
    rooms = Rooms(3)
    room = rooms.open("quality", "teacher")
    forty_phones(rooms, room.code, "quality", lambda number: number % 4)
    assert room.counts(7) == [10, 10, 10, 10, 0, 0, 0]
    room.reveal()
    assert not room.guess("phone 0", 3, "quality")
    room.ask("domains")
    assert not room.guess("phone 0", 3, "quality")
    assert room.counts(4) == [0, 0, 0, 0]


def test_rooms_are_bounded_in_number_age_and_guesses() -> None:
    now = [0.0]
    rooms = Rooms(2, clock=lambda: now[0])
    first, second = rooms.open("quality", "one"), rooms.open("quality", "another")
    assert first.code != second.code
    assert len(first.code) == CODE_LENGTH
    with pytest.raises(TooManyRoomsError):
        rooms.open("quality", "third")
    rooms.close(second)
    assert rooms.join(second.code) is None
    for visitor in range(MOST_GUESSES):
        assert first.guess(str(visitor), 0, "quality")
    assert not first.guess("one more", 0, "quality")
    assert first.guess("0", 1, "quality")
    now[0] = LONGEST_SECONDS + 1
    assert not rooms.holds(first)
    with pytest.raises(TooManyRoomsError):
        Rooms(0).open("quality", "one")


def test_a_teacher_finds_the_room_again_and_nobody_else_does() -> None:
    rooms = Rooms(3)
    room = rooms.open("quality", "teacher")
    other = rooms.open("domains", "other")
    assert rooms.taught("teacher") is room
    assert rooms.taught(room.code) is None
    rooms.close(room)
    assert rooms.taught("teacher") is None
    assert rooms.holds(other)


def test_rooms_are_opened_so_often_by_one_browser_and_by_all() -> None:
    now = [0.0]
    rooms = Rooms(NEW_ROOMS + 1, clock=lambda: now[0])
    for _ in range(NEW_ROOMS_EACH):
        rooms.close(rooms.open("quality", "one"))
    with pytest.raises(TooManyOpenedError):
        rooms.open("quality", "one")
    for number in range(NEW_ROOMS - NEW_ROOMS_EACH):
        rooms.open("quality", f"browser {number}")
    with pytest.raises(TooManyOpenedError):
        rooms.open("quality", "another")
    now[0] = 61
    rooms.open("quality", "one")


def test_a_room_that_nobody_looks_at_makes_place_where_all_are_taken() -> None:
    now = [0.0]
    rooms = Rooms(2, clock=lambda: now[0])
    left, used = rooms.open("quality", "one"), rooms.open("quality", "another")
    now[0] = UNSEEN_SECONDS
    assert rooms.holds(used)
    with pytest.raises(TooManyRoomsError):
        rooms.open("quality", "third")
    now[0] += 1
    rooms.open("quality", "third")
    assert (rooms.holds(left), rooms.holds(used)) == (False, True)


def test_many_wrong_codes_stop_right_ones_for_a_minute() -> None:
    now = [0.0]
    rooms = Rooms(1, clock=lambda: now[0])
    code = rooms.open("quality", "teacher").code
    for number in range(WRONG_CODES):
        assert rooms.join(f"{number}" * 9_999) is None
    with pytest.raises(TooManyAttemptsError):
        rooms.join(code)
    now[0] = 61
    assert rooms.join(code) is not None
