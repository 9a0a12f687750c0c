"""Answers for the pages: at once where there is a record, else computed while the visitor waits."""

from collections.abc import Callable
from typing import cast, overload
from uuid import uuid4

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from olmoe_viz.engine.engine import Answer, Ask, Ticket
from olmoe_viz.errors import MissingError
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.records.generation import Generation
from olmoe_viz.records.model_facts import ModelFacts
from olmoe_viz.records.trace import Trace
from olmoe_viz.requests import Detail, ModelRequest, Request, TraceRequest
from olmoe_viz.ui.session import download, engine, opened, state
from olmoe_viz.ui.session.errors import TROUBLE, refuse
from olmoe_viz.ui.session.selection import Selection
from olmoe_viz.ui.session.waiting import Waiting
from olmoe_viz.ui.texts import frame as texts
from olmoe_viz.ui.widgets import origin
from olmoe_viz.ui.widgets.message import hint

_VISITOR = "visitor"


@overload
def answer(request: TraceRequest, place: DeltaGenerator | None = None) -> Trace | None: ...
@overload
def answer(request: ModelRequest, place: DeltaGenerator | None = None) -> ModelFacts | None: ...
@overload
def answer(
    request: Request,
    place: DeltaGenerator | None = None,
    on_stop: Callable[[], None] = state.withdraw,
) -> Answer | None: ...
def answer(
    request: Request,
    place: DeltaGenerator | None = None,
    on_stop: Callable[[], None] = state.withdraw,
) -> Answer | None:
    """The answer to a request, or None after a sentence that says why there is none.

    `place` tells of a wait. Without one a place is taken always, also when nothing has to be waited
    for: else all below would move by one, and the browser would take it down and build it up again.
    `on_stop` is what a stop does.
    """
    place = st.empty() if place is None else place
    try:
        return _answered(request, place, texts.RUNNING, on_stop)
    except TROUBLE as error:
        refuse(error)
        return None


def asking(place: DeltaGenerator, words: str | None = texts.RUNNING) -> Ask:
    """A call that answers a request, for steps and analyses; errors are raised.

    `place` tells of a wait, with `words` while the request runs; without words the page itself says
    what is computed.
    """

    def ask(request: Request) -> Answer:
        return _answered(request, place, words)

    return cast("Ask", ask)


def current(detail: Detail = "routing", place: DeltaGenerator | None = None) -> Trace | None:
    """The trace of the selection, or None after the page has said what is missing."""
    chosen = state.selection()
    request = TraceRequest(chosen.model, chosen.text, chosen.policy, detail)
    if not state.asked() and _recorded(request) is None:
        hint(texts.NOTHING_ASKED)
        return None
    return answer(request, place)


def at_hand() -> Trace | None:
    """The trace of the selection, if nothing has to be computed for it."""
    chosen = state.selection()
    request = TraceRequest(chosen.model, chosen.text, chosen.policy)
    found = _recorded(request)
    if found is None and state.asked() and engine.started(0):
        found = engine.current().kept(request)
    return cast("Trace | None", found)


def run(chosen: Selection, policy: RoutingPolicy, detail: Detail = "routing") -> Trace | None:
    """The trace of the selection's prompt under a policy, or None after a sentence."""
    return answer(TraceRequest(chosen.model, chosen.text, policy, detail))


def where(trace: Trace) -> tuple[origin.Origin, str]:
    """Where the numbers of a trace are from, for a panel's head."""
    return source(trace), origin.details(trace.provenance, str(trace.policy))


def source(what: Request | Trace | Generation) -> origin.Origin:
    """Whether a record, or the answer to a request, is from a file: the application's or opened."""
    request = what.request if isinstance(what, Trace | Generation) else what
    return "live" if _recorded(request) is None else "recorded"


def from_file(trace: Trace) -> bool:
    """Whether a run was opened: what its file lacks is not computed."""
    return opened.covers(trace.request)


def _recorded(request: Request) -> Answer | None:
    return opened.kept(request) or engine.bundled().kept(request)


def is_recorded(request: Request) -> bool:
    """Whether a file answers a request, the application's or an opened one."""
    return _recorded(request) is not None


def can_run(model: str, place: DeltaGenerator) -> bool:
    """Whether models run here; the answer may take as long as torch takes to import."""
    if not engine.records_only():
        with Waiting(place, model, None) as waiting:
            waiting.for_engine()
    return not engine.records_only()


def submit(request: Request) -> Ticket:
    """Ask the engine in the name of this session.

    BusyError when the line is full or the session asks too often, InputError above a limit.

    Whoever submits cancels the ticket in the end, whatever happens in between. A model that would
    have to be fetched first raises UnconfirmedError until the visitor has agreed.
    """
    download.check(request.model)
    if _VISITOR not in st.session_state:
        st.session_state[_VISITOR] = uuid4().hex
    engine.admission().check(request, st.session_state[_VISITOR])
    return engine.current().submit(request, st.session_state[_VISITOR])


def wait_for_start(ticket: Ticket, place: DeltaGenerator) -> None:
    """Wait until a request runs or is done; `place` tells of the line and of a model that loads."""
    with Waiting(place, ticket.request.model, None) as waiting:
        waiting.for_ticket(ticket, until_it_runs=True)


def _answered(
    request: Request,
    place: DeltaGenerator,
    words: str | None,
    on_stop: Callable[[], None] = state.withdraw,
) -> Answer:
    if opened.covers(request):
        return _from_file(request)
    # What a model is says whoever runs it: where it was recorded it may have run in another dtype.
    found = None if isinstance(request, ModelRequest) else engine.bundled().kept(request)
    if found is not None:
        return found
    download.check(request.model)
    with Waiting(place, request.model, words, on_stop) as waiting:
        waiting.for_engine()
        found = engine.current().kept(request)
        if found is not None:
            return found
        ticket = submit(request)
        try:
            waiting.for_ticket(ticket)
        finally:
            ticket.cancel()
    return ticket.result()


def _from_file(request: Request) -> Answer:
    """The answer of opened files; MissingError names what they lack."""
    found = opened.kept(request)
    if found is None:
        raise MissingError(
            texts.not_in_files(str(request.policy))
            if isinstance(request, TraceRequest)
            else texts.DETAIL_NOT_IN_FILES
        )
    return found
