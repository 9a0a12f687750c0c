"""What a first visitor sees above the map: what this is, what to do, and the model at work.

It is open on a bare visit, until another prompt is run, it is closed or the tour begins; a quiet
button brings it back. While it is open, nothing else stands between the prompt and the map.
"""

from pathlib import Path

import streamlit as st

from olmoe_viz.analysis.stream import stream
from olmoe_viz.records.trace import Trace
from olmoe_viz.ui import tour
from olmoe_viz.ui.session import answers, engine, state
from olmoe_viz.ui.session.selection import Selection
from olmoe_viz.ui.texts import first_visit as texts
from olmoe_viz.ui.widgets import origin
from olmoe_viz.ui.widgets.overview import overview, payload

_OPEN = "first_visit"  # the prompt for which it is open


def shown() -> bool:
    """Whether it is open."""
    prompt = state.selection().prompt
    if _OPEN not in st.session_state:
        # Who has asked for something, such as a run of a file, knows what this is.
        st.session_state[_OPEN] = None if st.query_params or state.asked() else prompt
    return st.session_state[_OPEN] == prompt and not tour.runs()


def offer() -> None:
    """The quiet button that opens it again."""
    st.button(texts.WHAT_IS_THIS, key="what_is_this", type="tertiary", on_click=_open)


def draw(trace: Trace, chosen: Selection) -> None:
    """Draw it for the chosen token; a part of the drawing leads to its step on Follow."""
    if state.leads_to_step():
        st.switch_page("pages/follow.py")
    st.html(Path(__file__).with_name("first_visit.css"))
    geometry = trace.geometry
    with st.container(key="first_visit", gap="small"):
        st.header(texts.TITLE, anchor=False)
        with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
            what = texts.what(len(geometry.layer_ids), geometry.experts, chosen.k)
            st.markdown(f"{what} {texts.DO}", width=720)
            with st.container(
                horizontal=True, vertical_alignment="center", gap="small", width="content"
            ):
                st.button(
                    texts.tour(tour.LENGTH), key="take_tour", type="primary", on_click=tour.begin
                )
                st.button(texts.CLOSE, key="close_first_visit", type="tertiary", on_click=_close)
                origin.badge(*answers.where(trace))
        overview(
            payload.build(
                _with_vectors(trace),
                token=chosen.token or 0,
                layer=chosen.layer,
                theme=state.theme(),
            ),
            here=False,
            plays=True,
            on_open=_lead,
            key="overview",
        )


def _with_vectors(trace: Trace) -> Trace:
    """The run with all norms, where they are not recorded and a model can run."""
    if stream(trace) is not None or engine.records_only() or answers.from_file(trace):
        return trace
    return answers.current("full") or trace


def _open() -> None:
    st.session_state[_OPEN] = state.selection().prompt


def _close() -> None:
    st.session_state[_OPEN] = None


def _lead(step: int, layer: int) -> None:
    state.change(layer=layer)
    state.lead_to_step(step)
