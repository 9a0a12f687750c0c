"""The page Runs: save the current run, open others, set two against each other."""

from collections.abc import Sequence

import streamlit as st

from olmoe_viz.figures.labels import shorten
from olmoe_viz.records.comparison import Comparison
from olmoe_viz.records.generation import Generation
from olmoe_viz.records.trace import Trace
from olmoe_viz.ui.compare import as_record
from olmoe_viz.ui.compare import page as compare
from olmoe_viz.ui.runs import imported, keeping, opening, showing, two_runs
from olmoe_viz.ui.session import answers, opened
from olmoe_viz.ui.texts import runs as texts
from olmoe_viz.ui.widgets import origin, panel
from olmoe_viz.ui.widgets.wording import plain

_MOST_TEXT = 120


def draw() -> None:
    """Draw the page; after a press of Show, the page that shows the run."""
    showing.go_on()
    st.header(texts.TITLE, anchor=False)
    st.caption(texts.INTRODUCTION)
    trace = answers.at_hand()
    comparison = compare.kept()
    written = as_record.record_of(comparison) if comparison else None
    panel.head(texts.KEEP_TITLE, None)
    _current([run for run in (trace, written) if run is not None])
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
    imported.draw()


def _current(runs: Sequence[opened.Run]) -> None:
    """What the other pages show now: each run with its text, and how it can be saved."""
    if not runs:
        st.caption(texts.NOTHING_TO_KEEP)
        return
    half = st.checkbox(texts.HALF, help=texts.HALF_HELP, key="half_logits")
    for run in runs:
        first = _first(run)
        with st.container(key=f"current_{run.kind}", gap="xsmall"):
            _name(_text(run), run, answers.source(first))
            keeping.buttons(run, key=f"keep_{run.kind}", half=half)


def _opened(key: str, name: str, run: opened.Run) -> None:
    """One opened run: what it is, and what can be done with it."""
    with st.container(key=f"opened_{key}", gap="xsmall"):
        _name(name, run, "recorded", _text(run))
        obstacle = showing.obstacle(run)
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            if obstacle is not None:
                st.caption(obstacle)
            else:
                st.button(texts.SHOW, key=f"show_{key}", on_click=showing.show, args=(run,))
            keeping.report(run, key=f"report_{key}")
            st.button(texts.CLOSE, key=f"close_{key}", on_click=opened.close, args=(key,))


def _name(name: str, run: opened.Run, source: origin.Origin, text: str = "") -> None:
    """What a run is called, its text, and where it is from: model, routing and date."""
    first = _first(run)
    policies = run.request.policies if isinstance(run, Comparison) else (first.policy,)
    details = origin.details(first.provenance, "; ".join(map(str, policies)))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.text(name, width="content")
        origin.badge(source, details)
    if text:
        st.text(text)
    rounded = first.logits_precision == "float16"
    st.caption(f"{plain(details)} {texts.ROUNDED}" if rounded else plain(details))


def _first(run: opened.Run) -> Trace | Generation:
    return run.generations[0] if isinstance(run, Comparison) else run


def _text(run: opened.Run) -> str:
    """The beginning of the text that was read, in one line."""
    first = _first(run)
    text = first.prompt if isinstance(first, Generation) else first.text
    return shorten(" ".join(text.split()), _MOST_TEXT)
