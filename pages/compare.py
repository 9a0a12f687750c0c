"""Several ks write at the same time, from the same prompt; then what differs is measured."""

from typing import TYPE_CHECKING

import streamlit as st

from olmoe_viz.numerics.geometry import OLMOE_1B_7B
from olmoe_viz.ui import (
    columns,
    compare_settings,
    growth,
    link,
    measured,
    navigation,
    origin,
    panel,
    queue,
    state,
)
from olmoe_viz.ui.comparison import Column, Comparison, Settings
from olmoe_viz.ui.model import get_model
from olmoe_viz.ui.notice import refusal
from olmoe_viz.ui.stop import wait_for_button

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

    from olmoe_viz.models.load import Model

KEPT = "comparison"


def blank(model: "Model") -> Comparison:
    """A comparison of what is selected now, nothing written yet."""
    return Comparison(
        prompt=state.selection().prompt,
        model=model.name,
        digest=model.digest,
        geometry=model.geometry,
        settings=link.current(Settings),
        columns=[Column(policy) for policy in compare_settings.policies()],
    )


def write(
    comparison: Comparison,
    model: "Model",
    slots: list[columns.Slot],
    growing: growth.Growth,
    line: "DeltaGenerator",
) -> None:
    """Generate token by token; a stop or a closed tab ends it inside a call of streamlit.

    The session keeps the comparison from the start, so that a stop loses nothing.
    """
    from olmoe_viz.engine.decoding import stream
    from olmoe_viz.engine.inputs import InputError

    settings = comparison.settings
    state.drop_wish()
    try:
        decoding = stream(
            model,
            comparison.prompt,
            [column.policy for column in comparison.columns],
            max_new_tokens=settings.new_tokens,
            temperature=settings.temperature,
            top_p=settings.top_p,
            seed=settings.seed,
        )
    except InputError as error:
        comparison.trouble = str(error)
        return
    try:
        st.session_state[KEPT] = comparison
        compare_settings.mirror(comparison)
        wait_for_button()  # before a place in the line is taken, for others wait for it
        with queue.place(line), decoding:
            line.progress(0.0, text="Reading the prompt.")
            for step in decoding:
                comparison.take(step)
                columns.grow(slots, comparison)
                growing.show()
                share = min(comparison.written / settings.new_tokens, 1.0)
                line.progress(share, text=comparison.progress)
    finally:
        decoding.close()  # also where its block was never entered
        comparison.keep(decoding.generations())
        comparison.ended.set()
    growing.settle()
    comparison.trouble = decoding.error


navigation.through_app()
badge = panel.head("What does each k write?", None, level=2)
st.caption(
    "All columns continue the prompt at the same time, each with its own number of experts. What a "
    "text shares from the beginning with the one it is compared with is dimmed; ▼ marks the first "
    "token that differs, a thin line the others; an upright one stands where tokens of that text "
    "are missing. Point at a token, or press Tab and the arrow keys, to see what it was worth."
)
controls = st.container(horizontal=True, vertical_alignment="bottom", key="compare_controls")
with controls:
    st.button("Generate", type="primary", on_click=state.wish_for_text)
    stop = st.empty()
    stop.button("Stop", key="stop_idle", disabled=True)
progress = st.container(key="progress_line").empty()

# Run in the frame means the same as Generate here.
with progress.container():
    model = get_model(state.selection().model) if state.wishes_text() else None
kept: Comparison | None = blank(model) if model is not None else st.session_state.get(KEPT)
if model is None and kept is not None:
    # Streamlit begins this run before the one that was stopped has put its records away.
    kept.ended.wait(timeout=10)
shown = kept.columns if kept else [Column(policy) for policy in compare_settings.policies()]
geometry = kept.geometry if kept else OLMOE_1B_7B
with controls:
    reference = compare_settings.draw(shown, geometry.trained_k)
compare_settings.mirror(st.session_state.get(KEPT))
slots = columns.reserve(shown)
if model is not None and kept is not None:
    stop.button("Stop", key="stop")
    write(kept, model, slots, growth.Growth(kept, reference), progress)
    stop.button("Stop", key="stop_done", disabled=True)
elif kept is not None:
    growth.draw(kept, reference)
if kept is None:
    progress.caption("Press Generate to let the model write.")
else:
    earlier = kept.prompt != state.selection().prompt
    progress.caption(kept.progress + (", for an earlier prompt." if earlier else ""))
    if kept.written:
        with badge:
            origin.badge("live", columns.details(kept.columns))
    columns.settle(slots, kept, reference)
    if kept.trouble:
        refusal(kept.trouble)
    elif kept.written:
        measured.draw(kept, slots, reference)
