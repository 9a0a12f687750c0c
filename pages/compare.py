"""Several ks write at the same time, from the same prompt; then what differs is measured."""

from typing import TYPE_CHECKING

import streamlit as st

from olmoe_viz.records.model_facts import ModelFacts
from olmoe_viz.requests import ModelRequest
from olmoe_viz.ui.compare import controls, live_map, report, text_columns, writing
from olmoe_viz.ui.compare.comparison import Column, Comparison, Settings
from olmoe_viz.ui.frame import navigation
from olmoe_viz.ui.session import answers, engine, state, url
from olmoe_viz.ui.session.selection import entry
from olmoe_viz.ui.session.stop import need_button
from olmoe_viz.ui.widgets import origin, panel
from olmoe_viz.ui.widgets.message import refusal

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

KEPT = "comparison"


def blank(model: ModelFacts) -> Comparison:
    """A comparison of what is selected now, nothing written yet."""
    return Comparison(
        prompt=state.selection().prompt,
        model=model.request.model,
        digest=model.provenance.digest,
        geometry=model.geometry,
        settings=url.current(Settings),
        columns=[Column(policy) for policy in controls.policies()],
    )


def write(
    comparison: Comparison,
    slots: list[text_columns.Slot],
    growing: live_map.Growth,
    line: "DeltaGenerator",
) -> None:
    """Let the texts be written; the session keeps them from the start, so a stop loses nothing."""

    def draw() -> None:
        text_columns.grow(slots, comparison)
        growing.show()

    state.drop_wish()
    earlier = st.session_state.get(KEPT)
    try:
        st.session_state[KEPT] = comparison
        controls.mirror(comparison)
        writing.write(comparison, line, draw)
    finally:
        comparison.ended.set()
    if not comparison.records():
        st.session_state[KEPT] = earlier
        controls.mirror(earlier)
    growing.settle()


navigation.through_app()
badge = panel.head("What does each k write?", None, level=2)
st.caption(
    "All columns continue the prompt at the same time, each with its own number of experts. What a "
    "text shares from the beginning with the one it is compared with is dimmed; ▼ marks the first "
    "token that differs, a thin line the others; an upright one stands where tokens of that text "
    "are missing. Point at a token, or press Tab and the arrow keys, to see what it was worth."
)
runs = not engine.records_only()
row = st.container(horizontal=True, vertical_alignment="bottom", key="compare_controls")
with row:
    st.button("Generate", type="primary", on_click=state.wish_for_text, disabled=not runs)
    stop = st.empty()
    stop.button("Stop", key="stop_idle", disabled=True)
progress = st.container(key="progress_line").empty()

# Run in the frame means the same as Generate here.
with progress.container():
    asked = ModelRequest(state.selection().model)
    model = answers.answer(asked) if runs and state.wishes_text() else None
kept: Comparison | None = blank(model) if model is not None else st.session_state.get(KEPT)
if model is None and kept is not None:
    # Streamlit begins this run before the one that was stopped has put its records away.
    kept.ended.wait(timeout=writing.PATIENCE)
shown = kept.columns if kept else [Column(policy) for policy in controls.policies()]
trained_k = kept.geometry.trained_k if kept else entry(state.selection().model).trained_k
with row:
    reference = controls.draw(shown, trained_k)
controls.mirror(st.session_state.get(KEPT))
slots = text_columns.reserve(shown)
if model is not None and kept is not None:
    stop.button("Stop", key="stop", on_click=state.drop_wish)
    need_button("stop", progress)  # before a place in the line is taken, for others wait for it
    write(kept, slots, live_map.Growth(kept, reference), progress)
    stop.button("Stop", key="stop_done", disabled=True)
elif kept is not None:
    live_map.draw(kept, reference)
if kept is None:
    words = "Press Generate to let the model write."
    progress.caption(words if runs else "No model runs here that could write a text.")
else:
    earlier = kept.prompt != state.selection().prompt
    progress.caption(kept.progress + (", for an earlier prompt." if earlier else ""))
    if kept.written:
        with badge:
            origin.badge(*text_columns.where(kept.columns))
    text_columns.settle(slots, kept, reference)
    if kept.trouble:
        refusal(kept.trouble)
    elif kept.written:
        report.draw(kept, slots, reference)
