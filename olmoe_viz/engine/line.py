"""The line: requests that wait for the engine, in turn between the visitors who asked.

Without it whoever asks most would be served most, and memory would add up.
"""

import threading
from collections import OrderedDict, deque
from collections.abc import Hashable

from olmoe_viz.engine.engine import Ticket
from olmoe_viz.errors import BusyError

_REMEMBERED = 1000  # visitors


class Line:
    """Waiting tickets of several kinds, at most `length`; one thread takes them out.

    The next ticket of a kind is the oldest of the visitor who was served longest ago.
    """

    def __init__(self, length: int) -> None:
        self._length = length
        self._visitors: dict[str, deque[tuple[Hashable, Ticket]]] = {}
        self._served: OrderedDict[str, int] = OrderedDict()  # when each was served, in numbers
        self._count = 0
        self._changed = threading.Condition()

    def join(self, visitor: str, kind: Hashable, ticket: Ticket) -> None:
        """Go to the end of the visitor's own line; BusyError when the line is full."""
        with self._changed:
            if sum(map(len, self._visitors.values())) >= self._length:
                raise BusyError(
                    f"The server is busy: {self._length} requests are waiting. Try again later."
                )
            self._visitors.setdefault(visitor, deque()).append((kind, ticket))
            self._changed.notify_all()

    def wait(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds for a ticket of any kind; whether there is one."""
        with self._changed:
            return self._changed.wait_for(lambda: bool(self._visitors), timeout)

    def next(self, kind: Hashable) -> Ticket | None:
        """Return the ticket of a kind whose turn it is; it stays in the line."""
        with self._changed:
            for waiting in self._turns():
                for each, ticket in waiting:
                    if each == kind:
                        return ticket
            return None

    def take(self, ticket: Ticket) -> None:
        """Take a ticket out; its visitor is behind all others now."""
        with self._changed:
            for visitor, waiting in list(self._visitors.items()):
                left = deque(each for each in waiting if each[1] is not ticket)
                if len(left) < len(waiting):
                    self._visitors[visitor] = left
                    if not left:
                        del self._visitors[visitor]
                    self._serve(visitor)

    def kinds(self) -> list[Hashable]:
        """Return the kinds of which tickets wait."""
        with self._changed:
            return list(
                dict.fromkeys(kind for waiting in self._visitors.values() for kind, _ in waiting)
            )

    def before(self, ticket: Ticket) -> int:
        """Return how many tickets of its kind are taken before this one."""
        with self._changed:
            own = {id(each): kind for waiting in self._visitors.values() for kind, each in waiting}
            kind = own.get(id(ticket))
            turns = [
                deque(each for of_kind, each in waiting if of_kind == kind)
                for waiting in self._turns()
            ]
            ahead = 0
            while turns := [waiting for waiting in turns if waiting]:
                for waiting in turns:
                    first = waiting.popleft()
                    if first is ticket:
                        return ahead
                    ahead += not first.cancelled
            return 0

    def _turns(self) -> list[deque[tuple[Hashable, Ticket]]]:
        """Return what the visitors wait for, in their turns; newcomers come first."""
        turns = sorted(self._visitors, key=lambda visitor: self._served.get(visitor, 0))
        return [self._visitors[visitor] for visitor in turns]

    def _serve(self, visitor: str) -> None:
        self._count += 1
        self._served[visitor] = self._count
        self._served.move_to_end(visitor)
        if len(self._served) > _REMEMBERED:
            self._served.popitem(last=False)
