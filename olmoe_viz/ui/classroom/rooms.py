"""Rooms in which a class guesses together: in memory of this process, without a name.

A room holds a question's name, the guesses so far, and whether the answer is shown. Rooms are
bounded in number, in guesses and in age. A code has eight letters of twenty, so 2.6e10 of them;
wrong codes are counted over all visitors, since a new visit costs nothing. Who opens or guesses is
known by a random number of the browser, which is shown to nobody. Draws nothing.
"""

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

from olmoe_viz import settings

# Consonants: no word comes about, and none looks like a digit.
LETTERS = "bcdfghjkmnpqrstvwxyz"
CODE_LENGTH = 8
LONGEST_SECONDS = 2 * 3_600
UNSEEN_SECONDS = 600  # without anybody who looks at it, a room makes place for another
MOST_GUESSES = 200
# In a minute: wrong codes and new rooms of all visitors together, and new rooms of one.
WRONG_CODES = 60
NEW_ROOMS = 20
NEW_ROOMS_EACH = 3


class TooManyRoomsError(Exception):
    """As many rooms are open as this process holds."""


class TooManyOpenedError(Exception):
    """So many rooms were opened in a minute that no other is opened for a while."""


class TooManyAttemptsError(Exception):
    """So many wrong codes came in a minute that no code is looked up for a while."""


@dataclass
class Room:
    """One class. `teacher` and the keys of `guesses`, which has an option each, are browsers."""

    code: str
    teacher: str
    question: str
    opened: float
    seen: float
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
    """The rooms of this process, at most `most`; none at all where that is 0.

    `process` tells this process from others that may serve the same pages.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.most = most
        self.process = secrets.token_hex(4)
        self._clock = clock
        self._rooms: dict[str, Room] = {}
        self._wrong: deque[float] = deque()
        self._new: deque[tuple[float, str]] = deque()
        self._lock = threading.Lock()

    def open(self, question: str, teacher: str) -> Room:
        """Open a room for the browser of a teacher.

        Raises TooManyRoomsError where no more are held, and TooManyOpenedError where too many were
        opened in the last minute.
        """
        with self._lock:
            now = self._forget_old()
            mine = sum(who == teacher for _, who in self._new)
            if len(self._new) >= NEW_ROOMS or mine >= NEW_ROOMS_EACH:
                raise TooManyOpenedError
            if len(self._rooms) >= self.most:
                self._give_up_unseen(now)
            code = "".join(secrets.choice(LETTERS) for _ in range(CODE_LENGTH))
            room = self._rooms[code] = Room(code, teacher, question, now, now)
            self._new.append((now, teacher))
            return room

    def taught(self, teacher: str) -> Room | None:
        """Return the room that the browser of a teacher opened last, if it is still open."""
        with self._lock:
            self._forget_old()
            rooms = [room for room in self._rooms.values() if room.teacher == teacher]
            return rooms[-1] if rooms else None

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
        """Whether a room is still open; whoever asks looks at it."""
        with self._lock:
            room.seen = self._forget_old()
            return self._rooms.get(room.code) is room

    def close(self, room: Room) -> None:
        """Forget a room and its guesses."""
        with self._lock:
            self._rooms.pop(room.code, None)

    def _give_up_unseen(self, now: float) -> None:
        oldest = min(self._rooms.values(), key=lambda room: room.seen, default=None)
        if oldest is None or now - oldest.seen <= UNSEEN_SECONDS:
            raise TooManyRoomsError
        del self._rooms[oldest.code]

    def _forget_old(self) -> float:
        """Forget what is too old; returns the time."""
        now = self._clock()
        old = [code for code, room in self._rooms.items() if now - room.opened > LONGEST_SECONDS]
        for code in old:
            del self._rooms[code]
        while self._wrong and now - self._wrong[0] > 60:
            self._wrong.popleft()
        while self._new and now - self._new[0][0] > 60:
            self._new.popleft()
        return now


@cache
def current() -> Rooms:
    """The rooms of this process."""
    return Rooms(settings.current().rooms)


def spoken(code: str) -> str:
    """A code as it is read out, in two halves."""
    return f"{code[: CODE_LENGTH // 2]} {code[CODE_LENGTH // 2 :]}"
