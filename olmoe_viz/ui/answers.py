"""Answers for the pages: at once where there is a record, else waited for beside a line that tells.

A visitor who waits can leave: by a stop, by a click elsewhere, or by closing the tab. All of them
come as exceptions of Streamlit at the next touch of the page, and the ticket is cancelled.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import cast, overload
from uuid import uuid4

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from olmoe_viz.engine.engine import Answer, Ask, Progress, Ticket
from olmoe_viz.models.catalogue import BUNDLED
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.records.generation import Generation
from olmoe_viz.records.model_facts import ModelFacts
from olmoe_viz.records.trace import Trace
from olmoe_viz.requests import Detail, ModelRequest, Request, TraceRequest
from olmoe_viz.ui import engine, heap, origin, state
from olmoe_viz.ui.notice import hint
from olmoe_viz.ui.selection import Selection
from olmoe_viz.ui.stop import LOOK, stop_button
from olmoe_viz.ui.trouble import TROUBLE, refuse

RUNNING = "Running the prompt through the model."
_LOADING = {
    True: "Loading the model. The first run takes a few seconds.",
    False: "Loading the model. It is large: the first run can take minutes.",
}
_PATIENCE = 1.0  # seconds until there is something to press
_VISITOR = "visitor"


@overload
def answer(request: TraceRequest, place: DeltaGenerator | None = None) -> Trace | None: ...
@overload
def answer(request: ModelRequest, place: DeltaGenerator | None = None) -> ModelFacts | None: ...
@overload
def answer(request: Request, place: DeltaGenerator | None = None) -> Answer | None: ...
def answer(request: Request, place: DeltaGenerator | None = None) -> Answer | None:
    """The answer to a request, or None after a sentence that says why there is none.

    `place` tells of a wait. Without one a place is taken always, also when nothing has to be waited
    for: else all below would move by one, and the browser would take it down and build it up again.
    """
    place = st.empty() if place is None else place
    try:
        return _answered(request, place, RUNNING)
    except TROUBLE as error:
        refuse(error)
        return None


def asking(place: DeltaGenerator | None, words: str = RUNNING) -> Ask:
    """A call that answers a request, for steps and analyses; errors are raised.

    `place` tells of a wait, with `words` while the request runs. Without one a place is taken only
    when there is a wait.
    """

    def ask(request: Request) -> Answer:
        return _answered(request, place, words)

    return cast("Ask", ask)


ask = asking(None)


def current(detail: Detail = "routing") -> Trace | None:
    """The trace of the selection, or None after the page has said what is missing."""
    chosen = state.selection()
    request = TraceRequest(chosen.model, chosen.prompt, chosen.policy, detail)
    if not state.asked() and engine.bundled().kept(request) is None:
        hint("Type a prompt above and press Run to see where its tokens are sent.")
        return None
    return answer(request)


def run(chosen: Selection, policy: RoutingPolicy, detail: Detail = "routing") -> Trace | None:
    """The trace of the selection's prompt under a policy, or None after a sentence."""
    return answer(TraceRequest(chosen.model, chosen.prompt, policy, detail))


def where(trace: Trace) -> tuple[origin.Origin, str]:
    """Where the numbers of a trace are from, for a panel's head."""
    return source(trace), origin.details(trace.provenance, str(trace.policy))


def source(what: Request | Trace | Generation) -> origin.Origin:
    """Whether a record, or the answer to a request, comes with the application."""
    request = getattr(what, "request", what)
    return "live" if engine.bundled().kept(request) is None else "recorded"


def find(request: Request) -> Answer | None:
    """The answer, if it is there already: a bundled record, or one that the engine has kept."""
    found = engine.bundled().kept(request)
    return engine.current().kept(request) if found is None else found


def submit(request: Request) -> Ticket:
    """Ask the engine, in the name of this session; BusyError when the line is full.

    Whoever submits cancels the ticket in the end, whatever happens in between.
    """
    if _VISITOR not in st.session_state:
        st.session_state[_VISITOR] = uuid4().hex
    return engine.current().submit(request, st.session_state[_VISITOR])


def touch() -> None:
    """Touch the page without drawing: here a stop, a rerun and a closed tab get through."""
    _VISITOR in st.session_state  # noqa: B015  # Streamlit looks for them at every such access


def wait_for_start(ticket: Ticket, place: DeltaGenerator) -> None:
    """Wait until a request runs or is done; `place` tells of the line and of a model that loads."""
    _watch(ticket, place, {"waiting": _in_line, "loading": _loading})


def _answered(request: Request, place: DeltaGenerator | None, words: str) -> Answer:
    found = find(request)
    if found is not None:
        return found
    ticket = submit(request)
    try:
        if not ticket.wait(LOOK):
            place = st.empty() if place is None else place
            running = partial(_running, words=words)
            _watch(ticket, place, {"waiting": _in_line, "loading": _loading, "running": running})
    finally:
        ticket.cancel()
    return ticket.result()


def _watch(
    ticket: Ticket, place: DeltaGenerator, tell: dict[str, Callable[[Ticket, DeltaGenerator], None]]
) -> None:
    """Tell of each stage that is named, as long as the request is in it."""
    loaded = False
    try:
        while (stage := ticket.progress.stage) in tell:
            loaded |= stage == "loading"
            tell[stage](ticket, place)
            place.empty()
    finally:
        if loaded:
            heap.set_aside()


def _still(ticket: Ticket, stage: str) -> bool:
    """Whether the request is in that stage after the next wait; lets a stop through."""
    touch()
    return not ticket.wait(LOOK) and ticket.progress.stage == stage


def _in_line(ticket: Ticket, place: DeltaGenerator) -> None:
    while True:
        before = ticket.progress.done
        if before:
            people = "1 person is" if before == 1 else f"{before} people are"
            place.caption(f"The server is busy. {people} before you.")
        if not _still(ticket, "waiting"):
            return


def _loading(ticket: Ticket, place: DeltaGenerator) -> None:
    line, later = None, time.monotonic() + _PATIENCE
    words = _LOADING[ticket.request.model == BUNDLED]
    with place.container(), st.spinner(words, show_time=True):
        while _still(ticket, "loading"):
            if time.monotonic() > later:
                line = line or _line(partial(state.withdraw, model=BUNDLED))
                _tell(line, ticket.progress)


def _running(ticket: Ticket, place: DeltaGenerator, words: str) -> None:
    line = None
    with place.container(), st.spinner(words):
        while _still(ticket, "running"):
            done, total = ticket.progress.done, ticket.progress.total
            if 0 < done <= total:  # one part may be all there is
                line = line or _line(state.withdraw)
                line.progress(done / total, text=f"{done:,} of {total:,} tokens")


def _line(on_stop: Callable[[], None]) -> DeltaGenerator:
    """A stop button, and beside it the place of a line."""
    with st.container(horizontal=True, vertical_alignment="center"):
        stop_button(on_stop)
        return st.empty()


def _tell(line: DeltaGenerator, loaded: Progress) -> None:
    if loaded.stage == "loading" and loaded.total > loaded.done:
        words = f"{loaded.done / 1e9:.1f} of {loaded.total / 1e9:.1f} GB downloaded"
        line.progress(loaded.done / loaded.total, text=words)
    else:
        line.caption("Reading the weights.")
