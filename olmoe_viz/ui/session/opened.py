"""The runs that this visitor has opened from files; nobody else sees them.

While a run is open, requests for its text and model are answered from opened files and by nothing
else: numbers of a file never stand beside numbers that other weights may have made.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from uuid import uuid4

import streamlit as st

from olmoe_viz.engine.engine import Answer
from olmoe_viz.engine.recorded import RecordedEngine
from olmoe_viz.records.comparison import Comparison
from olmoe_viz.records.generation import Generation
from olmoe_viz.records.trace import Trace
from olmoe_viz.requests import Detail, Request, TraceRequest

Run = Trace | Generation | Comparison
MOST = 6
_KEPT = "opened_runs"


@dataclass(frozen=True)
class _Opened:
    runs: Mapping[str, tuple[str, Run]]  # by an id of this session: the file's name and the record
    engine: RecordedEngine


def runs() -> Mapping[str, tuple[str, Run]]:
    """The opened runs in their order, by id: the file's name and the record."""
    return _opened().runs


def name_of(run: Run) -> str | None:
    """The name of the file that a run was opened from; None for any other run."""
    return next((name for name, found in runs().values() if found is run), None)


def add(name: str, run: Run) -> str:
    """Open a run and return its id; ValueError in a sentence when as many are open as can be."""
    if len(runs()) >= MOST:
        raise ValueError(f"{MOST} runs are open. Close one of them first.")
    key = uuid4().hex[:8]
    _keep({**runs(), key: (name, run)})
    return key


def close(key: str) -> None:
    """Callback: forget a run."""
    _keep({one: found for one, found in runs().items() if one != key})


def covers(request: Request) -> bool:
    """Whether a request is about a text that was opened, so that files alone answer it."""
    asked = getattr(request, "run", request)
    return isinstance(asked, TraceRequest) and any(
        (run.request.model, run.request.text) == (asked.model, asked.text)
        for _, run in runs().values()
        if isinstance(run, Trace)
    )


def kept(request: Request) -> Answer | None:
    """The opened record that answers a request; of a run the one with other detail serves too."""
    engine = _opened().engine
    found = engine.kept(request)
    if found is None and isinstance(request, TraceRequest):
        other: Detail = "routing" if request.detail == "full" else "full"
        found = engine.kept(replace(request, detail=other))
    return found


def _opened() -> _Opened:
    found: _Opened = st.session_state.get(_KEPT) or _Opened({}, RecordedEngine(()))
    return found


def _keep(found: Mapping[str, tuple[str, Run]]) -> None:
    st.session_state[_KEPT] = _Opened(found, RecordedEngine(run for _, run in found.values()))
