"""Rooms: forty phones at once, and what bounds them."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from olmoe_viz.ui.classroom.rooms import (
    CODE_LENGTH,
    LONGEST_SECONDS,
    MOST_GUESSES,
    WRONG_CODES,
    Rooms,
    TooManyAttemptsError,
    TooManyRoomsError,
    spoken,
)


def test_forty_phones_join_guess_and_guess_again_at_once() -> None:
    rooms = Rooms(3)
    room = rooms.open("quality")

    def phone(number: int) -> None:
        joined = rooms.join(spoken(room.code).upper())
        assert joined is room
        for option in (0, number % 4):
            assert joined.guess(f"phone {number}", option, "quality")

    with ThreadPoolExecutor(40) as phones:
        list(phones.map(phone, range(40)))
    assert room.counts(7) == [10, 10, 10, 10, 0, 0, 0]
    room.reveal()
    assert not room.guess("phone 0", 3, "quality")
    room.ask("domains")
    assert not room.guess("phone 0", 3, "quality")
    assert room.counts(4) == [0, 0, 0, 0]


def test_rooms_are_bounded_in_number_age_and_guesses() -> None:
    now = [0.0]
    rooms = Rooms(2, clock=lambda: now[0])
    first, second = rooms.open("quality"), rooms.open("quality")
    assert first.code != second.code
    assert len(first.code) == CODE_LENGTH
    with pytest.raises(TooManyRoomsError):
        rooms.open("quality")
    rooms.close(second)
    assert rooms.join(second.code) is None
    for visitor in range(MOST_GUESSES):
        assert first.guess(str(visitor), 0, "quality")
    assert not first.guess("one more", 0, "quality")
    assert first.guess("0", 1, "quality")
    now[0] = LONGEST_SECONDS + 1
    assert not rooms.holds(first)
    with pytest.raises(TooManyRoomsError):
        Rooms(0).open("quality")


def test_many_wrong_codes_stop_right_ones_for_a_minute() -> None:
    now = [0.0]
    rooms = Rooms(1, clock=lambda: now[0])
    code = rooms.open("quality").code
    for number in range(WRONG_CODES):
        assert rooms.join(f"{number}" * 9_999) is None
    with pytest.raises(TooManyAttemptsError):
        rooms.join(code)
    now[0] = 61
    assert rooms.join(code) is not None
