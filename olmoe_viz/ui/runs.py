"""Traces for the pages: the bundled record where it suffices, the model where it does not."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

import olmoe_viz
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.records.trace import Trace
from olmoe_viz.ui import origin, queue, state
from olmoe_viz.ui.model import get_model
from olmoe_viz.ui.notice import hint
from olmoe_viz.ui.selection import Selection
from olmoe_viz.ui.stop import stop_button
from olmoe_viz.ui.trace_cache import Detail, Request, TraceCache
from olmoe_viz.ui.trouble import TROUBLE, refuse

if TYPE_CHECKING:
    from olmoe_viz.engine.recording import Progress
    from olmoe_viz.models.load import Model

EXAMPLE = Path(olmoe_viz.__file__).parent / "data" / "example.safetensors"

# Half of what the process itself takes; of the bundled model's longest prompts, sixty routing
# traces or four full ones.
_traces = TraceCache(most=256 * 2**20)


@dataclass(frozen=True, eq=False)
class Run:
    """A trace and whether it was computed now or stored with the application."""

    trace: Trace
    source: origin.Origin

    @property
    def origin(self) -> tuple[origin.Origin, str]:
        """Where the numbers of this run are from, for a panel's head."""
        details = origin.details(self.trace.provenance, str(self.trace.policy))
        return self.source, details


def current(detail: Detail = "routing") -> Run | None:
    """The run of the selection, or None after the page has said what is missing."""
    chosen = state.selection()
    if not state.asked() and example(chosen, chosen.policy, detail) is None:
        hint("Type a prompt above and press Run to see where its tokens are sent.")
        return None
    return run(chosen, chosen.policy, detail)


def run(chosen: Selection, policy: RoutingPolicy, detail: Detail = "routing") -> Run | None:
    """The run of the selection's prompt under a policy, or None after a sentence."""
    # For whatever has to be waited for, and also when nothing has: else all below would move by one
    # place, and the browser would take it down and build it up again.
    place = st.empty()
    recorded = example(chosen, policy, detail)
    if recorded is not None:
        return Run(recorded, "recorded")
    model = get_model(chosen.model, place)
    if model is None:
        return None
    try:
        return Run(_trace((chosen.prompt, str(policy), detail, model.digest), model, place), "live")
    except TROUBLE as error:
        refuse(error)
        return None


def _trace(request: Request, model: "Model", slot: DeltaGenerator) -> Trace:
    """The trace of a request: kept from before, or computed once there is a place in the line."""
    kept = _traces.find(request)
    if kept is not None:
        return kept
    from olmoe_viz.engine.recording import trace

    text, policy, detail, _ = request
    with queue.place(slot), slot.container(), st.spinner("Running the prompt through the model."):
        made = trace(model, text, RoutingPolicy.parse(policy), detail, _progress())
    slot.empty()
    _traces.keep(request, made)
    return made


def _progress() -> "Progress":
    """What a run of several parts calls before each: shows how far it is, with a way to stop it."""
    line: DeltaGenerator | None = None

    def show(done: int, tokens: int) -> None:
        nonlocal line
        if done == 0:
            return  # one part may be all there is
        if line is None:
            with st.container(horizontal=True, vertical_alignment="center"):
                stop_button(state.withdraw)
                line = st.empty()
        line.progress(done / tokens, text=f"{done:,} of {tokens:,} tokens")

    return show


def example(chosen: Selection, policy: RoutingPolicy, detail: Detail) -> Trace | None:
    """The bundled record, if it answers exactly this request."""
    trace = _example()
    if trace is None or (detail == "full" and trace.hidden_states is None):
        return None
    asked = (chosen.model, chosen.prompt, policy)
    return trace if asked == (trace.provenance.model, trace.text, trace.policy) else None


@st.cache_resource(max_entries=1, show_spinner=False)
def _example() -> Trace | None:
    return Trace.load(EXAMPLE) if EXAMPLE.is_file() else None
