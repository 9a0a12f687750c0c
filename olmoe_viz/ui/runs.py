"""Traces for the pages: the bundled record where it suffices, the model where it does not."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import streamlit as st

import olmoe_viz
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.trace import Trace
from olmoe_viz.ui import origin, state
from olmoe_viz.ui.model import get_model
from olmoe_viz.ui.notice import hint, refusal
from olmoe_viz.ui.selection import Selection

if TYPE_CHECKING:
    from olmoe_viz.models.load import Model

Detail = Literal["routing", "full"]
EXAMPLE = Path(olmoe_viz.__file__).parent / "data" / "example.safetensors"


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
    recorded = example(chosen, policy, detail)
    if recorded is not None:
        return Run(recorded, "recorded")
    model = get_model(chosen.model)
    if model is None:
        return None
    from olmoe_viz.engine.recording import InputError

    try:
        with st.spinner("Running the prompt through the model."):
            trace = _trace((chosen.prompt, str(policy), detail, model.digest), model)
    except (InputError, ValueError) as error:
        refusal(str(error))
        return None
    return Run(trace, "live")


@st.cache_resource(max_entries=24, show_spinner=False)
def _trace(request: tuple[str, str, Detail, str], _model: "Model") -> Trace:
    """Traces of the last two dozen requests: text, policy, detail, and the model's digest."""
    from olmoe_viz.engine.recording import trace

    text, policy, detail, _ = request
    return trace(_model, text, RoutingPolicy.parse(policy), detail)


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
