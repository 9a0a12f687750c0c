"""The page Lab: what experts do, measured by taking them away."""

from pathlib import Path

import streamlit as st

from olmoe_viz.records.trace import Trace
from olmoe_viz.ui.lab import (
    asked,
    away,
    before_after,
    clean_corrupt,
    coalition_panel,
    fewer_more,
    routes_panel,
    texts_panel,
)
from olmoe_viz.ui.lab.settings import LabSettings
from olmoe_viz.ui.map import cell_panel
from olmoe_viz.ui.runs import from_file, keeping
from olmoe_viz.ui.session import answers, on_press, opened, state, url
from olmoe_viz.ui.texts import lab as texts
from olmoe_viz.ui.widgets import panel
from olmoe_viz.ui.widgets.message import hint


def draw() -> None:
    """Draw the page, or a sentence in its place while nothing can be measured."""
    st.html(Path(__file__).with_name("lab.css"))
    panel.head(texts.TITLE, None, level=2)
    st.caption(texts.INTRODUCTION)
    state.ask_once()
    if not state.asked():
        on_press.forget()
    line = st.empty()
    runs = answers.can_run(state.selection().model, line)
    trace = answers.current("full" if runs and state.asked() else "routing", line)
    if trace is None:
        return
    from_file.say(opened.name_of(trace))
    chosen = state.selection().within(trace.geometry, len(trace.tokens))
    settings = url.current(LabSettings).within(trace.geometry)
    url.keep(settings)
    url.mirror(settings)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        cell_panel.pick_cell(trace, chosen)
    source = answers.where(trace)
    can_measure = trace.hidden_states is not None and not answers.from_file(trace)
    panel.head(texts.AWAY_TITLE, *source)
    away.draw(trace, chosen, settings, measures=can_measure)
    if can_measure:
        before_after.draw(trace, chosen, settings)
        texts_panel.draw(trace, settings)
        coalition_panel.draw(trace, chosen, settings)
        asked.draw(trace, chosen)
        routes_panel.draw(trace, chosen)
        fewer_more.draw(trace)
        clean_corrupt.draw(trace, chosen.layer)
    else:
        _why_not(trace, runs=runs)
    keeping.buttons(trace, key="keep", cell=(chosen.layer, chosen.token or 0))


def _why_not(trace: Trace, *, runs: bool) -> None:
    """Say why nothing can be measured of a run."""
    if answers.from_file(trace):
        hint(texts.FROM_FILE)
    else:
        hint(texts.STOPPED if runs else texts.NO_MODEL)
