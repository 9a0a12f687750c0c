"""The texts that are written for visitors: who comes to work next, and what tickets are told."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from olmoe_viz.engine.cache import bytes_of_token, entries_on_gpu
from olmoe_viz.engine.engine import Progress, Ticket
from olmoe_viz.engine.jobs import prepare, told
from olmoe_viz.engine.line import Line
from olmoe_viz.engine.result_cache import ResultCache
from olmoe_viz.engine.scheduler import Scheduler
from olmoe_viz.engine.sequence_group import SequenceGroup
from olmoe_viz.errors import CancelledError, GenerationError, InputError
from olmoe_viz.models.model import Model

_NEWEST = 0.2  # share of the newest duration in the mean


class Pace:
    """How long one of a kind takes in the mean, and so how long others wait for it."""

    def __init__(self) -> None:
        self._seconds: float | None = None

    def took(self, seconds: float) -> None:
        """Count one that has ended."""
        before = seconds if self._seconds is None else self._seconds
        self._seconds = before + _NEWEST * (seconds - before)

    def wait(self, before: int, at_once: int) -> float | None:
        """Return the seconds until one's turn, with so many at work at once; None if not known."""
        return None if self._seconds is None else self._seconds * (before + 1) / max(at_once, 1)


@dataclass
class _Text:
    """A text at work, since when, and who waits for it: each is told all of it."""

    tickets: list[Ticket]
    began: float


class Writing:
    """The texts of one model: they wait in the line under its name, and share one scheduler.

    Equal requests at the same time are one text, which ends early when all who asked have left.
    At most `rows` rows are at work, their keys and values in at most `cache_bytes`, or in more
    where a GPU has it.
    """

    def __init__(
        self, model: Model, line: Line, kept: ResultCache, rows: int, cache_bytes: int
    ) -> None:
        self.model = model
        self._line, self._kept, self._rows = line, kept, rows
        self._entry = bytes_of_token(model)
        if model.device.type != "cpu":
            cache_bytes = max(cache_bytes, entries_on_gpu(model) * self._entry)
        self._scheduler = Scheduler(model, rows, cache_bytes // self._entry)
        self._cache_bytes = cache_bytes
        self._waiting: tuple[Ticket, SequenceGroup] | None = None  # first in line, without room
        self._at_work: dict[SequenceGroup, _Text] = {}
        self._pace = Pace()

    @property
    def idle(self) -> bool:
        """Whether nobody is at work."""
        return not self._at_work

    def progress(self, ticket: Ticket) -> Progress:
        """Return the place of a ticket in the line: behind those at work, where these fill it."""
        before, at_work = self._line.before(ticket), len(self._at_work)
        full = at_work if self._waiting is not None else 0
        return Progress("waiting", before + full, seconds=self._pace.wait(before, at_work))

    def step(self) -> None:
        """Let go who has left, take in who comes next, and write one token of every row."""
        for group, text in self._at_work.items():
            _let_leave(group, text)
        self._scheduler.let_go()
        self._tell()
        while (ticket := self._line.next(self.model.name)) is not None and self._admit(ticket):
            self._line.take(ticket)
        if self._at_work:
            self._scheduler.step()
            self._tell()

    def fail(self, error: Exception) -> None:
        """End all texts at work."""
        for group in list(self._at_work):
            group.fail(error)
        self._scheduler.let_go()
        self._tell()

    def _admit(self, ticket: Ticket) -> bool:
        """Take a ticket to work, or end it; False while there is no room."""
        request: Any = ticket.request  # only texts come here
        try:
            ticket.check()
            if (kept := self._kept.find(ticket.request)) is not None:
                ticket.finish(kept, cached=True)
                return True
            if self._joined(ticket):
                return True
            group = self._group(ticket)
            if not self._scheduler.admit(group):
                self._waiting = ticket, group
                return False
            self._waiting = None
        except Exception as error:  # noqa: BLE001 - told to whoever waits
            ticket.fail(told(error))
            return True
        self._at_work[group] = _Text([ticket], time.monotonic())
        ticket.advance(Progress("running", 0, request.max_new_tokens))
        return True

    def _joined(self, ticket: Ticket) -> bool:
        """Let a ticket wait for a text that is written already, if there is one for it."""
        for group, text in self._at_work.items():
            if group.request == ticket.request:
                for step in text.tickets[0].new_steps(0, timeout=0):
                    ticket.add_step(step)
                text.tickets.append(ticket)
                return True
        return False

    def _group(self, ticket: Ticket) -> SequenceGroup:
        """Return the rows of a request; InputError where they can never be at work."""
        if self._waiting is not None and self._waiting[0] is ticket:
            return self._waiting[1]
        prepare(self.model, ticket)
        request: Any = ticket.request
        group = SequenceGroup(self.model, request)
        if not self._scheduler.fits(group):
            need = sum(row.length for row in group.rows) * self._entry
            raise InputError(
                f"{len(group.rows)} rows of {group.rows[0].length:,} tokens need "
                f"{need / 1e6:,.0f} MB for their keys and values. This engine has "
                f"{self._cache_bytes / 1e6:,.0f} MB and writes at most {self._rows} rows. "
                "Ask for fewer rows or fewer tokens."
            )
        return group

    def _tell(self) -> None:
        """Pass on what is new, and end the tickets of those that are done."""
        for group, text in list(self._at_work.items()):
            steps, group.steps = group.steps, []
            total = group.request.max_new_tokens
            for ticket in text.tickets:
                for step in steps:
                    ticket.add_step(step)
                ticket.advance(Progress("running", min(group.written, total), total))
            if group.done:
                del self._at_work[group]
                self._pace.took(time.monotonic() - text.began)
                self._end(group, text.tickets)

    def _end(self, group: SequenceGroup, tickets: Sequence[Ticket]) -> None:
        try:
            written = group.generations()
            if group.error is not None:
                raise GenerationError(group.error, written)
            if any(row.finish == "stopped" for row in group.rows):
                raise CancelledError("The request was cancelled.", written)
            self._kept.keep(group.request, written)
        except Exception as error:  # noqa: BLE001 - told to whoever waits
            problem = told(error)
            for ticket in tickets:
                ticket.fail(problem)
        else:
            for ticket in tickets:
                ticket.finish(written)


def _let_leave(group: SequenceGroup, text: _Text) -> None:
    """Let those go who have cancelled; with the last of them the text ends."""
    left = [ticket for ticket in text.tickets if ticket.cancelled]
    if len(left) == len(text.tickets):
        group.stop()
        return
    for ticket in left:
        text.tickets.remove(ticket)
        ticket.fail(CancelledError("The request was cancelled.", group.generations()))
