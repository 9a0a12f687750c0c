"""Engines for tests of the pages: one that a test moves by hand, one that watches the real one."""

from collections.abc import Callable

import pytest

from olmoe_viz.engine.admission import Admission
from olmoe_viz.engine.engine import Answer, Progress, Ticket
from olmoe_viz.requests import Request
from olmoe_viz.settings import Settings
from olmoe_viz.ui.session import engine


class ByHand:
    """Takes requests and computes nothing; `on_submit` is called with each ticket."""

    def __init__(self, on_submit: Callable[[Ticket], None] = lambda _: None) -> None:
        self.tickets: list[Ticket] = []
        self.visitors: list[str] = []
        self._on_submit = on_submit

    def submit(self, request: Request, visitor: str = "") -> Ticket:
        ticket = Ticket(request)
        self.tickets.append(ticket)
        self.visitors.append(visitor)
        self._on_submit(ticket)
        return ticket

    def kept(self, _: Request) -> Answer | None:
        return None


class Watched:
    """The server's engine; notes what has to be computed, and breaks what it is told to."""

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.broken: dict[type[Request], Exception] = {}
        self._engine = engine.current()

    def submit(self, request: Request, visitor: str = "") -> Ticket:
        self.asked.append(request)
        if type(request) not in self.broken:
            return self._engine.submit(request, visitor)
        ticket = Ticket(request)
        ticket.advance(Progress("running"))
        ticket.fail(self.broken[type(request)])
        return ticket

    def kept(self, request: Request) -> Answer | None:
        return self._engine.kept(request)


def serve(monkeypatch: pytest.MonkeyPatch, other: ByHand | Watched) -> None:
    """Let another engine answer the pages, for models of any name."""
    monkeypatch.setattr(engine, "admission", lambda: Admission(Settings(), offers=lambda _: True))
    monkeypatch.setattr(engine, "started", lambda *_: True)
    monkeypatch.setattr(engine, "current", lambda: other)
