"""Who answers the pages of this server: one engine for all of its visitors.

Where torch can be imported that is a `LocalEngine`, else the records that come with the application
are all there is. Knows nothing about streamlit.
"""

import threading
from functools import cache
from importlib.util import find_spec
from typing import Protocol

from olmoe_viz.engine.engine import Answer, Engine
from olmoe_viz.engine.recorded import RecordedEngine, bundled_runs
from olmoe_viz.requests import Request


class PageEngine(Engine, Protocol):
    """An engine that also says at once what it has already."""

    def kept(self, request: Request) -> Answer | None:
        """The answer, if nothing has to be computed for it."""
        ...


class _Server:
    """An engine that a thread of its own starts: torch takes seconds to import."""

    def __init__(self) -> None:
        self.engine: PageEngine | None = None
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def started(self, timeout: float | None) -> bool:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._start, name="start", daemon=True)
                self._thread.start()
        return self._ended.wait(timeout)

    def _start(self) -> None:
        try:
            from olmoe_viz.engine.local import LocalEngine

            self.engine = LocalEngine()
        except ImportError:
            self.engine = bundled()
        finally:
            self._ended.set()


_server = _Server()


def started(timeout: float | None = None) -> bool:
    """Start the engine if nobody has, and wait at most so many seconds; whether it is there."""
    return _server.started(timeout)


def current() -> PageEngine:
    """The engine of this server; waits until it has started."""
    started()
    return _server.engine or bundled()


@cache
def bundled() -> RecordedEngine:
    """The records that come with the application: what is shown first needs no model."""
    return RecordedEngine(bundled_runs())


def records_only() -> bool:
    """Whether no model can run here, as far as is known before the engine has started."""
    try:
        there = find_spec("torch") is not None
    except ImportError:  # somebody forbids it
        there = False
    return not there or _server.engine is bundled()
