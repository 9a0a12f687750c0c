"""The page Map: which expert each token uses in each layer, and one cell of it in full."""

from pathlib import Path

import streamlit as st

from olmoe_viz.records.trace import Trace
from olmoe_viz.ui.map import (
    cell_panel,
    first_visit,
    load_panel,
    map_panel,
    next_token,
    observed_panels,
    token_panel,
)
from olmoe_viz.ui.runs import from_file, keeping
from olmoe_viz.ui.session import answers, opened, state
from olmoe_viz.ui.session.selection import Selection
from olmoe_viz.ui.texts import map as texts
from olmoe_viz.ui.widgets import origin, panel


def draw() -> None:
    """Draw the page, or a sentence in its place while there is no trace."""
    st.html(Path(__file__).with_name("map.css"))
    trace = answers.current()
    if trace is None:
        return
    chosen = state.selection().within(trace.geometry, len(trace.tokens))
    source = answers.where(trace)
    _map(trace, chosen)
    # What comes next may need a run of its own: it is drawn last, in room that is kept for it. Of a
    # chat nothing is offered, since the template would follow.
    after = None if trace.message is not None else st.container(key="next_token")
    panel.head(texts.CELL_TITLE, *source)
    cell_panel.draw(trace, chosen)
    panel.head(texts.THROUGH_LAYERS, *source)
    token_panel.draw(trace, chosen)
    panel.head(texts.LOAD_TITLE, *source)
    load_panel.draw(trace, chosen)
    observed_panels.experiments(trace)
    if after is not None:
        with after:
            next_token.draw(trace, chosen)
    keeping.buttons(trace, key="keep", cell=(chosen.layer, chosen.token or 0))


def _map(trace: Trace, chosen: Selection) -> None:
    """The map, below its head or what a first visitor sees."""
    # One room for either, so that the map keeps its place on the page, and is never there twice.
    above = st.container()
    if first_visit.shown():
        with above:
            first_visit.draw(trace, chosen)
            st.subheader(texts.TITLE, anchor=False)
        map_panel.draw(trace, chosen)
        return
    with above:
        badges = panel.head(texts.TITLE, None, level=2)
        from_file.say(opened.name_of(trace))
        with st.container(
            horizontal=True, vertical_alignment="center", gap="small", key="about_map"
        ):
            st.caption(texts.EXPLANATION, width="content")
            first_visit.offer()
        map_panel.controls(trace, chosen)
    drawn_from = map_panel.draw(trace, chosen)
    st.caption(texts.against(chosen.k, chosen.against))
    with badges.container(horizontal=True, gap="small"):
        for each in drawn_from:
            origin.badge(*answers.where(each))
