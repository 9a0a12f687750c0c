"""The page Compare k: controls, texts that are written together, and what is measured of them."""

from collections.abc import Sequence
from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from olmoe_viz.requests import ModelRequest
from olmoe_viz.ui.compare import (
    as_record,
    controls,
    live_map,
    measurement,
    report,
    text_columns,
    writing,
)
from olmoe_viz.ui.compare.comparison import Column, Comparison
from olmoe_viz.ui.runs import from_file, keeping
from olmoe_viz.ui.session import answers, engine, state
from olmoe_viz.ui.session.selection import entry
from olmoe_viz.ui.session.stop import need_button
from olmoe_viz.ui.texts import compare as texts
from olmoe_viz.ui.widgets import origin, panel
from olmoe_viz.ui.widgets.message import refusal

_KEPT = "comparison"


def draw() -> None:
    """Draw the page; where texts are wished for, by a button or a link, generate them first."""
    st.html(Path(__file__).with_name("compare.css"))
    badge = panel.head(texts.TITLE, None, level=2)
    st.caption(texts.INTRODUCTION)
    file = st.empty()
    row, stop = _buttons()
    st.caption(controls.rule())
    line = st.container(key="progress_line", gap=None)
    of_model, progress, speed = line.empty(), line.empty(), line.empty()
    new = _new_comparison(of_model)
    comparison = new or kept()
    columns = comparison.columns if comparison else list(map(Column, controls.policies()))
    with file:
        from_file.say(comparison.file if comparison else None)
    with row:
        reference = controls.draw(columns, _trained_k(comparison))
    controls.mirror(st.session_state.get(_KEPT))
    st.caption(texts.LEGEND)
    tokens = (comparison.settings if comparison else controls.asked()).new_tokens
    speed.caption(_speed_words(columns, comparison))
    slots = text_columns.reserve(columns, tokens, writing=new is not None)
    if new is not None:
        stop.button(texts.STOP, key="stop", on_click=state.drop_wish)
        need_button("stop", progress)  # before a place in the line is taken, for others wait for it
        _write(new, slots, live_map.LiveMap(new, reference), progress, speed)
        stop.button(texts.STOP, key="stop_done", disabled=True)
    elif comparison is not None:
        live_map.draw(comparison, reference)
    progress.caption(_progress_words(comparison))
    speed.caption(_speed_words(columns, comparison))
    if comparison is not None:
        _finish(comparison, slots, reference, badge)
        speed.caption(_speed_words(columns, comparison))  # the bandwidth is known by now


def kept() -> Comparison | None:
    """The comparison of an earlier run of the page."""
    found: Comparison | None = st.session_state.get(_KEPT)
    if found is not None:
        # Streamlit begins this run before the one that was stopped has stored its records.
        found.ended.wait(timeout=writing.STOP_TIMEOUT)
    return found


def keep(comparison: Comparison) -> None:
    """Show a comparison that was opened from a file."""
    st.session_state[_KEPT] = comparison


def _buttons() -> tuple[DeltaGenerator, DeltaGenerator]:
    """The row of the controls with its buttons; returns the row and the place of Stop.

    Generate is no primary button: Run in the frame, which is one, has the same effect here.
    """
    row = st.container(horizontal=True, vertical_alignment="bottom", key="compare_controls")
    with row:
        st.button(texts.GENERATE, on_click=state.wish_for_text, disabled=engine.records_only())
        stop = st.empty()
        stop.button(texts.STOP, key="stop_idle", disabled=True)
    return row, stop


def _new_comparison(place: DeltaGenerator) -> Comparison | None:
    """A comparison of what is selected now, if it is wished for and the model can be loaded.

    `place` says why it cannot, or asks whether it shall be downloaded.
    """
    if engine.records_only() or not state.wishes_text():
        return None
    with place.container():
        model = answers.answer(ModelRequest(state.selection().model))
    if model is None:
        return None
    return Comparison(
        prompt=state.selection().text,
        model=model.request.model,
        digest=model.provenance.digest,
        geometry=model.geometry,
        bytes_per_value=model.bytes_per_value,
        settings=controls.asked(),
        columns=list(map(Column, controls.policies())),
        bandwidth=measurement.known_bandwidth(model.provenance.device),
    )


def _trained_k(comparison: Comparison | None) -> int:
    return comparison.geometry.trained_k if comparison else entry(state.selection().model).trained_k


def _write(
    comparison: Comparison,
    slots: list[text_columns.Slot],
    growing: live_map.LiveMap,
    progress: DeltaGenerator,
    speed: DeltaGenerator,
) -> None:
    """Generate the texts; the session keeps the comparison from the start, for a stop."""

    def show() -> None:
        text_columns.grow(slots, comparison)
        speed.caption(_speed_words(comparison.columns, comparison))
        growing.show()

    state.drop_wish()
    earlier = st.session_state.get(_KEPT)
    try:
        st.session_state[_KEPT] = comparison
        controls.mirror(comparison)
        writing.write(comparison, progress, show)
    finally:
        comparison.ended.set()
    if not comparison.records():
        st.session_state[_KEPT] = earlier
        controls.mirror(earlier)
    growing.settle()


def _progress_words(comparison: Comparison | None) -> str:
    if comparison is None:
        return texts.NO_MODEL if engine.records_only() else texts.START
    earlier = comparison.prompt != state.selection().text
    return comparison.progress + (texts.EARLIER_PROMPT if earlier else "") + "."


def _speed_words(columns: Sequence[Column], comparison: Comparison | None) -> str:
    """Whose speed the columns have, and its share of the limit where there is one."""
    written = comparison is not None and comparison.written > 0 and not comparison.file
    share = comparison.share_of_limit if comparison else None
    return texts.common_speed(max(column.k for column in columns), share, written=written)


def _finish(
    comparison: Comparison, slots: list[text_columns.Slot], reference: int, badge: DeltaGenerator
) -> None:
    """The complete texts with their marks, and below them the error or the measurements."""
    if comparison.written:
        with badge:
            origin.badge(*text_columns.where(comparison.columns))
    text_columns.settle(slots, comparison, reference)
    if comparison.error:
        refusal(comparison.error)
    elif comparison.written:
        report.draw(comparison, slots, reference)
    record = as_record.record_of(comparison)
    if record is not None:
        keeping.buttons(record, key="keep")
