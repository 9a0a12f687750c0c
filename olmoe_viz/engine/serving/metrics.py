"""What a server counts of itself, in the text form of Prometheus: no prompt, text or address."""

import os
from collections import Counter, deque
from collections.abc import Sequence
from time import monotonic
from typing import Any

from olmoe_viz.engine.engine import Ticket
from olmoe_viz.records.generation import Step
from olmoe_viz.requests import GenerateRequest

_WINDOW = 10.0  # seconds over which the speed is taken


class Metrics:
    """Counts of one server; used on its event loop alone."""

    def __init__(self) -> None:
        self.refused: Counter[int] = Counter()  # by HTTP status
        self.tokens = self.answered = self.dropped = 0
        self._open: set[Ticket] = set()
        self._recent: deque[tuple[float, int]] = deque()

    def enter(self, ticket: Ticket) -> None:
        """Count a request that is being answered."""
        self._open.add(ticket)

    def leave(self, ticket: Ticket) -> None:
        """Count it as answered or left alone."""
        self._open.discard(ticket)
        self.answered += 1

    def count(self, steps: Sequence[Any]) -> None:
        """Count the tokens of some steps."""
        rows = [row for step in steps if isinstance(step, Step) for row in step.rows]
        written = sum(row.token_id is not None for row in rows)
        if written:
            self.tokens += written
            self._recent.append((monotonic(), written))

    def text(self) -> str:
        """Return all of it."""
        now = monotonic()
        while self._recent and self._recent[0][0] < now - _WINDOW:
            self._recent.popleft()
        stages = Counter(ticket.progress.stage for ticket in self._open)
        writing = [
            len(ticket.request.policies)
            for ticket in self._open
            if isinstance(ticket.request, GenerateRequest) and ticket.progress.stage == "running"
        ]
        lines = [
            f"olmoe_rows_at_work {sum(writing)}",
            f"olmoe_requests_waiting {stages['waiting'] + stages['loading']}",
            f"olmoe_requests_running {stages['running'] + stages['preparing']}",
            f"olmoe_requests_ended_total {self.answered}",
            f"olmoe_requests_dropped_total {self.dropped}",
            f"olmoe_tokens_total {self.tokens}",
            f"olmoe_tokens_per_second {sum(n for _, n in self._recent) / _WINDOW:.1f}",
            f"olmoe_memory_bytes {memory()}",
        ]
        lines += [
            f'olmoe_refused_total{{status="{status}"}} {count}'
            for status, count in sorted(self.refused.items())
        ]
        return "\n".join(lines) + "\n"


def memory() -> int:
    """Return the bytes of memory that this process holds."""
    import psutil  # not among what a viewer without torch needs

    found: int = psutil.Process(os.getpid()).memory_info().rss
    return found
