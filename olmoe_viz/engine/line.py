"""The line: requests that wait for the engine, in turn between the visitors who asked.

Without it every visitor's run would slow down all others, and their memory would add up.
"""

import threading
from collections import OrderedDict, deque

from olmoe_viz.engine.engine import Ticket
from olmoe_viz.errors import BusyError


class Line:
    """Waiting tickets, at most `length`; one thread takes them out and does the work.

    The next ticket is the oldest of the visitor who was served longest ago.
    """

    def __init__(self, length: int) -> None:
        self._length = length
        self._visitors: OrderedDict[str, deque[Ticket]] = OrderedDict()
        self._at_work: Ticket | None = None
        self._changed = threading.Condition()

    def join(self, visitor: str, ticket: Ticket) -> None:
        """Go to the end of the visitor's own line; BusyError when the line is full."""
        with self._changed:
            if sum(map(len, self._visitors.values())) >= self._length:
                raise BusyError(
                    f"The server is busy: {self._length} requests are waiting. Try again later."
                )
            self._visitors.setdefault(visitor, deque()).append(ticket)
            self._changed.notify_all()

    def take(self, timeout: float) -> Ticket | None:
        """Wait at most `timeout` seconds for a ticket and take it out; the one before is done."""
        with self._changed:
            self._at_work = None
            if not self._changed.wait_for(lambda: bool(self._visitors), timeout):
                return None
            visitor, waiting = self._visitors.popitem(last=False)
            self._at_work = waiting.popleft()
            if waiting:
                self._visitors[visitor] = waiting  # behind all other visitors
            return self._at_work

    def before(self, ticket: Ticket) -> int:
        """Return how many tickets come before this one, the one at work included."""
        with self._changed:
            ahead = int(self._at_work is not None)
            turns = [deque(waiting) for waiting in self._visitors.values()]
            while turns:
                for waiting in turns:
                    if waiting[0] is ticket:
                        return ahead
                    ahead += not waiting.popleft().cancelled
                turns = [waiting for waiting in turns if waiting]
            return 0
