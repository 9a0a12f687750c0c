"""Several ks write at the same time, from the same prompt; then what differs is measured."""

from typing import TYPE_CHECKING

import streamlit as st

from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.ui import (
    columns,
    compare_figures,
    compare_settings,
    navigation,
    panel,
    runs,
    state,
)
from olmoe_viz.ui.comparison import Column, Comparison
from olmoe_viz.ui.model import get_model
from olmoe_viz.ui.notice import refusal

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
        settings=compare_settings.current(),
        columns=[Column(policy) for policy in compare_settings.policies()],
    )


def write(
    comparison: Comparison, model: "Model", slots: list[columns.Slot], line: "DeltaGenerator"
) -> None:
    """Generate token by token; a stop or a closed tab ends it inside a call of streamlit.

    The session keeps the comparison from the start, so that a stop loses nothing.
    """
    from olmoe_viz.engine.decoding import stream
    from olmoe_viz.engine.inputs import InputError

    settings = comparison.settings
    line.progress(0.0, text="Reading the prompt.")
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
    st.session_state[KEPT] = comparison
    with decoding:
        for step in decoding:
            comparison.take(step)
            columns.grow(slots, comparison)
            share = min(comparison.written / settings.new_tokens, 1.0)
            line.progress(share, text=comparison.progress)
    comparison.trouble = decoding.error


def export(comparison: Comparison) -> None:
    """The whole comparison as files."""
    with st.container(horizontal=True):
        st.download_button(
            "Download CSV", comparison.to_csv(), "comparison.csv", "text/csv", on_click="ignore"
        )
        st.download_button(
            "Download JSON",
            comparison.to_json(),
            "comparison.json",
            "application/json",
            on_click="ignore",
        )


def measured(comparison: Comparison) -> None:
    """The small figures; the last row needs the prompt under each policy."""
    compare_figures.generated(comparison)
    chosen, trained = state.selection(), comparison.geometry.trained_k
    if (chosen.prompt, chosen.model) != (comparison.prompt, comparison.model):
        return
    wanted = {RoutingPolicy(trained), *(column.policy for column in comparison.columns)}
    found = {str(p): run for p in wanted if (run := runs.run(chosen, p)) is not None}
    # A bundled record of another version of the model cannot be set beside live runs.
    alike = {run.trace.provenance.digest for run in found.values()} == {comparison.digest}
    if alike and len(found) == len(wanted):
        compare_figures.drift(comparison.columns, found, trained)


navigation.through_app()
panel.head("What does each k write?", "live", level=2)
st.caption(
    "All columns continue the prompt at the same time, each with its own number of experts. The "
    "beginning that they share is dimmed; a marker shows the first token that differs."
)
with st.container(horizontal=True, vertical_alignment="center", key="compare_controls"):
    st.button("Generate", type="primary", on_click=state.wish_for_text)
    stop = st.empty()
    stop.button("Stop", key="stop_idle", disabled=True)
    compare_settings.draw()
progress = st.container(key="progress_line").empty()

# Run in the frame means the same as Generate here.
with progress.container():
    model = get_model(state.selection().model) if state.takes_wish() else None
kept: Comparison | None = blank(model) if model is not None else st.session_state.get(KEPT)
shown = kept.columns if kept else [Column(policy) for policy in compare_settings.policies()]
slots = columns.reserve(shown)
if model is not None and kept is not None:
    stop.button("Stop", key="stop")
    write(kept, model, slots, progress)
    stop.button("Stop", key="stop_done", disabled=True)
if kept is None:
    progress.caption("Press Generate to let the model write.")
else:
    earlier = kept.prompt != state.selection().prompt
    progress.caption(kept.progress + (", for an earlier prompt." if earlier else ""))
    columns.settle(slots, kept)
    if kept.trouble:
        refusal(kept.trouble)
    if kept.written:
        measured(kept)
        export(kept)
