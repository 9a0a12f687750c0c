"""The page Runs: save the current run, open others, set two against each other."""

import streamlit as st

from olmoe_viz.records.comparison import Comparison
from olmoe_viz.ui.compare import as_record
from olmoe_viz.ui.compare import page as compare
from olmoe_viz.ui.runs import keeping, opening, showing, two_runs
from olmoe_viz.ui.session import answers, opened
from olmoe_viz.ui.texts import runs as texts
from olmoe_viz.ui.widgets import origin, panel


def draw() -> None:
    """Draw the page; after a press of Show, the page that shows the run."""
    showing.go_on()
    st.header(texts.TITLE, anchor=False)
    st.caption(texts.INTRODUCTION)
    trace = answers.at_hand()
    comparison = compare.kept()
    written = as_record.record_of(comparison) if comparison else None
    panel.head(texts.KEEP_TITLE, None)
    if trace is None and written is None:
        st.caption(texts.NOTHING_TO_KEEP)
    with st.container(horizontal=True, key="keep_row"):
        for run in (trace, written):
            if run is not None:
                keeping.button(run, key=f"keep_{run.kind}")
    panel.head(texts.OPEN_TITLE, None)
    opening.draw()
    panel.head(texts.OPENED_TITLE, None)
    current = {} if trace is None else two_runs.parts(texts.CURRENT, trace)
    current |= {} if written is None else two_runs.parts(texts.CURRENT_TEXTS, written)
    others: two_runs.Parts = {}
    for at, (key, (name, found)) in enumerate(opened.runs().items(), start=1):
        _opened(key, name, found)
        others = {**others, **two_runs.parts(f"{at}. {name}", found)}
    if not opened.runs():
        st.caption(texts.NONE_OPENED)
    two_runs.draw(current, others)


def _opened(key: str, name: str, run: opened.Run) -> None:
    """One opened run: what it is, and what can be done with it."""
    first = run.generations[0] if isinstance(run, Comparison) else run
    policies = run.request.policies if isinstance(run, Comparison) else (first.policy,)
    details = origin.details(first.provenance, "; ".join(map(str, policies)))
    with st.container(key=f"opened_{key}", gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.text(name, width="content")
            origin.badge("recorded", details)
        st.text(details)
        obstacle = showing.obstacle(run)
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            if obstacle is not None:
                st.caption(obstacle)
            else:
                st.button(texts.SHOW, key=f"show_{key}", on_click=showing.show, args=(run,))
            st.button(texts.CLOSE, key=f"close_{key}", on_click=opened.close, args=(key,))
