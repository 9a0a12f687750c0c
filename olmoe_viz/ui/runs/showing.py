"""Opened runs on the other pages: the selection becomes that of the run."""

from dataclasses import replace

import streamlit as st

from olmoe_viz.records.comparison import Comparison
from olmoe_viz.records.generation import Generation
from olmoe_viz.requests import ChatMessage, GenerateRequest, Text, TraceRequest
from olmoe_viz.ui.compare import as_record
from olmoe_viz.ui.compare import page as compare
from olmoe_viz.ui.session import opened, state, url
from olmoe_viz.ui.session.selection import Selection, entry
from olmoe_viz.ui.texts import runs as texts

_MAP, _COMPARE, _GO = "pages/map.py", "pages/compare.py", "page_of_run"


def obstacle(run: opened.Run) -> str | None:
    """Why the pages cannot show a run; None when they can."""
    if isinstance(run, Generation):
        return texts.ONE_TEXT
    request = run.request
    if entry(request.model).name != request.model:
        return texts.UNKNOWN_MODEL
    if isinstance(request, TraceRequest):
        chosen = _selection(request.model, request.text)
        if chosen is None:
            return texts.NO_TEXT
        return None if _routed(chosen, request).policy == request.policy else texts.ROUTING
    return _obstacle_of_texts(run, request)


def show(run: opened.Run) -> None:
    """Callback: select what a run shows, and go on to the page that shows it."""
    request = run.request
    text = request.text if isinstance(request, TraceRequest) else request.prompt
    chosen = _selection(request.model, text)
    if chosen is None or obstacle(run) is not None:
        return
    if isinstance(request, TraceRequest):
        _select(_against(_routed(chosen, request)))
        st.session_state[_GO] = _MAP
    elif isinstance(run, Comparison) and (settings := as_record.settings_of(run)) is not None:
        _select(chosen)
        url.keep(settings)
        compare.keep(as_record.comparison_of(run, settings, opened.name_of(run) or ""))
        st.session_state[_GO] = _COMPARE


def go_on() -> None:
    """Leave for the page of what was shown last, once."""
    page = st.session_state.pop(_GO, None)
    if page is not None:
        st.switch_page(page)


def _obstacle_of_texts(run: opened.Run, request: GenerateRequest) -> str | None:
    if _selection(request.model, request.prompt) is None:
        return texts.NO_TEXT
    known = isinstance(run, Comparison) and as_record.settings_of(run) is not None
    return None if known else texts.SETTINGS


def _selection(model: str, text: Text) -> Selection | None:
    """The start of a model with a text; None where the prompt's field cannot say it."""
    if isinstance(text, tuple):
        return None
    said = text.content if isinstance(text, ChatMessage) else text
    chosen = replace(
        Selection.start(entry(model)), prompt=said, chat_template=isinstance(text, ChatMessage)
    )
    if not entry(model).chat:
        chosen = replace(chosen, chat_template=True)  # has no effect, and stays out of the link
    return chosen if chosen.text == text else None


def _routed(chosen: Selection, request: TraceRequest) -> Selection:
    k, experts = request.policy.k, entry(chosen.model).experts
    if not isinstance(k, int):
        return chosen
    return replace(chosen, k=k, weighting=request.policy.weighting).with_ks(experts)


def _against(chosen: Selection) -> Selection:
    """Compare with another opened run of the text, where there is one."""
    for _, run in opened.runs().values():
        asked = run.request
        if not isinstance(asked, TraceRequest) or asked.policy == chosen.policy:
            continue
        other = _routed(chosen, asked)
        if (asked.model, asked.text) == (chosen.model, chosen.text) and (
            other.policy == asked.policy and other.weighting == chosen.weighting
        ):
            return replace(chosen, against=other.k)
    return chosen


def _select(chosen: Selection) -> None:
    url.keep(chosen)
    state.change()
    st.session_state["draft"] = chosen.prompt
