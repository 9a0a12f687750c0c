"""A class of forty phones."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from olmoe_viz.ui.classroom.rooms import Rooms, spoken

PHONES = 40
Guess = Callable[[Rooms, str, str, Callable[[int], int]], None]


@pytest.fixture
def forty_phones() -> Guess:
    """Return a function in which forty phones join a room by its code and guess, all at once.

    Each first guesses option 0 and then, which is what counts, what the last argument says.
    """

    def guess(rooms: Rooms, code: str, question: str, option: Callable[[int], int]) -> None:
        def phone(number: int) -> None:
            joined = rooms.join(spoken(code).upper())
            assert joined is not None
            for chosen in (0, option(number)):
                assert joined.guess(f"phone {number}", chosen, question)

        with ThreadPoolExecutor(PHONES) as phones:
            list(phones.map(phone, range(PHONES)))

    return guess
