"""Who answers the pages of this server: one engine for all of its visitors.

Where torch can be imported that is a `LocalEngine`, else the records that come with the application
are all there is. Knows nothing about streamlit.
"""

import threading
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import olmoe_viz
from olmoe_viz.engine.engine import Answer, Engine
from olmoe_viz.engine.recorded import RecordedEngine
from olmoe_viz.requests import Request

_RECORDS = (Path(olmoe_viz.__file__).parent / "data" / "example.safetensors",)
_one_at_a_time = threading.Lock()


class PageEngine(Engine, Protocol):
    """An engine that also says at once what it has already."""

    def kept(self, request: Request) -> Answer | None:
        """The answer, if nothing has to be computed for it."""
        ...


def current() -> PageEngine:
    """The engine of this server, made when something is first asked of it."""
    with _one_at_a_time:
        return _made()


@cache
def bundled() -> RecordedEngine:
    """The records that come with the application: what is shown first needs no model."""
    return RecordedEngine(_RECORDS)


@cache
def _made() -> PageEngine:
    if find_spec("torch") is None:
        return bundled()
    from olmoe_viz.engine.local import LocalEngine

    return LocalEngine()
