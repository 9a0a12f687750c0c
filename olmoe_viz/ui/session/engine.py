"""Who answers the pages of this server: one engine for all of its visitors.

The setting `engine` says which: of this process, of one beside it, or of another machine. Where
torch cannot be imported and no other machine is named, the records that come with the application
are all there is. Knows nothing about streamlit.
"""

import threading
from functools import cache
from importlib.util import find_spec
from typing import Protocol

from olmoe_viz import settings
from olmoe_viz.engine.admission import Admission
from olmoe_viz.engine.engine import Answer, Engine
from olmoe_viz.engine.recorded import RecordedEngine, bundled_runs
from olmoe_viz.requests import Request
from olmoe_viz.settings import Settings


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
            self.engine = _made(settings.current()) if _computes() else bundled()
        except ImportError:
            self.engine = bundled()
        finally:
            self._ended.set()


def _made(chosen: Settings) -> PageEngine:
    """The engine of the settings; ImportError where what it needs cannot be imported."""
    if chosen.engine == settings.HERE:
        from olmoe_viz.engine.local import from_settings

        return from_settings(chosen)
    if chosen.engine == settings.CHILD:
        from olmoe_viz.engine.child import ChildEngine

        return ChildEngine(chosen)
    from olmoe_viz.engine.remote import connect

    return connect(chosen.engine, chosen.token, chosen.kept_mb * 2**20)


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
    """Whether no model answers here, as far as is known before the engine has started."""
    return not _computes() or _server.engine is bundled()


@cache
def admission() -> Admission:
    """What the operator's limits refuse, for all visitors of this server."""
    return Admission(settings.current())


def _computes() -> bool:
    """Whether another machine computes, or this one could."""
    if settings.current().engine not in (settings.HERE, settings.CHILD):
        return True
    try:
        return find_spec("torch") is not None
    except ImportError:  # somebody forbids it
        return False
