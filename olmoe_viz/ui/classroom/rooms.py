"""Rooms in which a class guesses together: in memory of this process, without a name.

A room holds a question's name, the guesses so far, and whether the answer is shown. Rooms are
bounded in number, in guesses and in age. A code has eight letters of twenty, so 2.6e10 of them;
wrong codes are counted over all visitors, since a new visit costs nothing. Draws nothing.
"""

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

# Consonants: no word comes about, and none looks like a digit.
LETTERS = "bcdfghjkmnpqrstvwxyz"
CODE_LENGTH = 8
LONGEST_SECONDS = 2 * 3_600
MOST_GUESSES = 200
WRONG_CODES = 60  # in a minute, of all visitors together


class TooManyRoomsError(Exception):
    """As many rooms are open as this process holds."""


class TooManyAttemptsError(Exception):
    """So many wrong codes came in a minute that no code is looked up for a while."""


@dataclass
class Room:
    """One class. `guesses` has an option for each visitor, by a random number of the visit."""

    code: str
    question: str
    opened: float
    revealed: bool = False
    guesses: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def guess(self, visitor: str, option: int, question: str) -> bool:
        """Take a visitor's guess, of which the last counts; False where it is late or too much.

        `question` is the one that the visitor saw.
        """
        with self._lock:
            full = len(self.guesses) >= MOST_GUESSES and visitor not in self.guesses
            if self.revealed or question != self.question or full:
                return False
            self.guesses[visitor] = option
            return True

    def counts(self, options: int) -> list[int]:
        """Return how many guessed each option."""
        with self._lock:
            given = list(self.guesses.values())
        return [given.count(option) for option in range(options)]

    def reveal(self) -> None:
        """Show the answer; no guess is taken any more."""
        with self._lock:
            self.revealed = True

    def ask(self, question: str) -> None:
        """Ask anew: all guesses are forgotten."""
        with self._lock:
            self.question, self.revealed = question, False
            self.guesses.clear()


class Rooms:
    """The rooms of this process, at most `most`; none at all where that is 0."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.most = most
        self._clock = clock
        self._rooms: dict[str, Room] = {}
        self._wrong: deque[float] = deque()
        self._lock = threading.Lock()

    def open(self, question: str) -> Room:
        """Open a room; TooManyRoomsError where no more are held."""
        with self._lock:
            self._forget_old()
            if len(self._rooms) >= self.most:
                raise TooManyRoomsError
            code = "".join(secrets.choice(LETTERS) for _ in range(CODE_LENGTH))
            room = self._rooms[code] = Room(code, question, self._clock())
            return room

    def join(self, written: str) -> Room | None:
        """Return the room with a code as somebody typed it, if there is one.

        Raises TooManyAttemptsError for right and wrong codes alike, so that it tells nothing.
        """
        code = "".join(each for each in written[:40].lower() if each not in " -")
        with self._lock:
            self._forget_old()
            if len(self._wrong) >= WRONG_CODES:
                raise TooManyAttemptsError
            room = self._rooms.get(code)
            if room is None:
                self._wrong.append(self._clock())
            return room

    def holds(self, room: Room) -> bool:
        """Whether a room is still open."""
        with self._lock:
            self._forget_old()
            return self._rooms.get(room.code) is room

    def close(self, room: Room) -> None:
        """Forget a room and its guesses."""
        with self._lock:
            self._rooms.pop(room.code, None)

    def _forget_old(self) -> None:
        now = self._clock()
        old = [code for code, room in self._rooms.items() if now - room.opened > LONGEST_SECONDS]
        for code in old:
            del self._rooms[code]
        while self._wrong and now - self._wrong[0] > 60:
            self._wrong.popleft()


def spoken(code: str) -> str:
    """A code as it is read out, in two halves."""
    return f"{code[: CODE_LENGTH // 2]} {code[CODE_LENGTH // 2 :]}"
