"""The text before and after, written side by side in one batch."""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.records.trace import Trace
from olmoe_viz.requests import ModelRequest
from olmoe_viz.ui.compare import limits, marked_text, writing
from olmoe_viz.ui.compare.comparison import Column, Comparison
from olmoe_viz.ui.compare.settings import Settings
from olmoe_viz.ui.compare.text_columns import where
from olmoe_viz.ui.lab.settings import LabSettings
from olmoe_viz.ui.session import answers
from olmoe_viz.ui.session.stop import need_button
from olmoe_viz.ui.texts import compare as compare_texts
from olmoe_viz.ui.texts import lab as texts
from olmoe_viz.ui.widgets import origin, panel
from olmoe_viz.ui.widgets.message import refusal
from olmoe_viz.ui.widgets.passage import passage

_WISH, _KEPT = "lab_wish_for_texts", "lab_texts"
_TOKENS = 40


def draw(trace: Trace, settings: LabSettings) -> None:
    """Draw the button and both texts, once they were asked for."""
    if not settings.interventions:
        return
    policies = (trace.policy, settings.policy(trace.policy))
    badge = panel.head(texts.TEXTS_TITLE, None)
    st.caption(texts.TEXTS)
    with st.container(horizontal=True):
        st.button(texts.WRITE, key="lab_write", on_click=_wish)
        stop = st.empty()
    found: Comparison | None = st.session_state.get(_KEPT)
    writes = bool(st.session_state.get(_WISH, False))
    if not writes and not _shows(found, trace, policies):
        return
    progress = st.container(key="lab_progress").empty()
    slots = _slots()
    if writes:
        stop.button(compare_texts.STOP, key="lab_stop", on_click=_drop)
        need_button("lab_stop", progress)
        _drop()
        found = _write(trace, policies, progress, slots)
        stop.empty()
    if found is None:
        return
    progress.caption(found.progress + ".")
    if found.error:
        refusal(found.error)
    if found.records():
        with badge:
            origin.badge(*where(found.columns))
        _settle(found, slots)


def _wish() -> None:
    st.session_state[_WISH] = True


def _drop() -> None:
    st.session_state[_WISH] = False


def _shows(found: Comparison | None, trace: Trace, policies: tuple[RoutingPolicy, ...]) -> bool:
    """Whether the texts that are kept are those of what is chosen now."""
    if found is None or found.prompt != trace.request.text or found.model != trace.request.model:
        return False
    found.ended.wait(timeout=writing.STOP_TIMEOUT)
    return tuple(column.policy for column in found.columns) == policies


def _slots() -> list[DeltaGenerator]:
    slots = []
    for at, (place, name) in enumerate(
        zip(st.columns(2, gap="large"), (texts.BEFORE, texts.AFTER), strict=True)
    ):
        with place:
            st.caption(name)
            slots.append(st.container(key=f"lab_text_{at}").empty())
    return slots


def _write(
    trace: Trace,
    policies: tuple[RoutingPolicy, ...],
    progress: DeltaGenerator,
    slots: list[DeltaGenerator],
) -> Comparison | None:
    """Write both texts; the session keeps them from the start, for a stop."""
    model = answers.answer(ModelRequest(trace.request.model), progress)
    if model is None:
        return None
    names = texts.BEFORE, texts.AFTER
    comparison = Comparison(
        prompt=trace.request.text,
        model=trace.request.model,
        digest=trace.provenance.digest,
        geometry=trace.geometry,
        bytes_per_value=model.bytes_per_value,
        settings=limits.held(Settings(new_tokens=_TOKENS)),
        columns=[Column(policy, called=name) for policy, name in zip(policies, names, strict=True)],
    )

    def show() -> None:
        for slot, column in zip(slots, comparison.columns, strict=True):
            slot.text(marked_text.unfinished(column.pieces))

    st.session_state[_KEPT] = comparison
    try:
        writing.write(comparison, progress, show)
    finally:
        comparison.ended.set()
    return comparison


def _settle(found: Comparison, slots: list[DeltaGenerator]) -> None:
    st.text(texts.part(found.shared(), found.written))
    for at, (slot, column) in enumerate(zip(slots, found.columns, strict=True)):
        with slot.container():
            passage(
                marked_text.tokens(found, at, 0),
                label=compare_texts.text_of(column.name),
                key=f"lab_passage_{at}",
            )
