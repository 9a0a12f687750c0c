"""A line for heavy work: few visitors compute at the same time, the others wait and are told.

Without it every visitor's run would slow down all others, and their memory would add up.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from olmoe_viz.ui.stop import LOOK

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

PLACES = 2  # while one run is between two calls of torch, another fills the processors


class Line:
    """Visitors' threads in the order in which they came; the first `places` of them may work."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._people: list[int] = []
        self._changed = threading.Condition()

    def join(self) -> None:
        """Go to the end of the line. A thread that is in it already would wait for itself."""
        with self._changed:
            if threading.get_ident() in self._people:
                raise AssertionError("This thread has a place or waits for one already.")
            self._people.append(threading.get_ident())

    def before(self) -> int:
        """How many came before this thread, those at work included."""
        with self._changed:
            return self._people.index(threading.get_ident())

    def reached(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds; whether this thread may work now."""
        with self._changed:
            person = threading.get_ident()
            return self._changed.wait_for(
                lambda: self._people.index(person) < self._places, timeout
            )

    def leave(self) -> None:
        """Make room, whether this thread has worked or only waited."""
        with self._changed:
            self._people.remove(threading.get_ident())
            self._changed.notify_all()


line = Line(PLACES)


@contextmanager
def place(slot: "DeltaGenerator") -> Iterator[None]:
    """Hold one of the server's places; until there is one, `slot` says how many come before.

    Whatever ends the block ends the place, also Streamlit's own exceptions for a stop, a rerun and
    a closed tab. Never take a place inside another.
    """
    line.join()
    try:
        waited = False
        while not line.reached(LOOK):
            slot.caption(_words(line.before()))
            waited = True
        if waited:
            slot.empty()
        yield
    finally:
        line.leave()


def _words(before: int) -> str:
    people = "1 person is" if before == 1 else f"{before} people are"
    return f"The server is busy. {people} before you."
