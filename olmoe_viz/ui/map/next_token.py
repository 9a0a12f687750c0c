"""The next token on the map: what each k would write, each of which can be added to the text."""

from collections.abc import Callable

import streamlit as st

from olmoe_viz.figures.labels import visible
from olmoe_viz.records.trace import Trace
from olmoe_viz.requests import TraceRequest
from olmoe_viz.ui.session import answers, engine, state
from olmoe_viz.ui.session.selection import Selection
from olmoe_viz.ui.texts import next_token as texts
from olmoe_viz.ui.widgets import panel
from olmoe_viz.ui.widgets.picker import Cell, picker

_SHOWN = 5
_NAMED = {"␊": "\n", "␉": "\t"}  # what a token's visible text has in place of a line feed, a tab


def draw(trace: Trace, chosen: Selection) -> None:
    """A row of tokens for each k."""
    panel.head(texts.TITLE, *answers.where(trace))
    other = _other(trace, chosen)
    runs = [(chosen.k, trace)] + ([(chosen.against, other)] if other is not None else [])
    columns = st.columns(len(runs), gap="large")
    for column, (k, run) in zip(columns, runs, strict=True):
        with column:
            st.caption(texts.choice(k))
            _row(run, key=f"next_{k}")
    if other is not None:
        (one, first), (two, second) = (_choice(run) for _, run in runs)
        st.text(texts.agreement((one, two), (first, second), (chosen.k, chosen.against)))
    st.caption(texts.EXPLANATION)


def _other(trace: Trace, chosen: Selection) -> Trace | None:
    """The same text under the second k: from a record, or run where a run was asked for."""
    if chosen.against == chosen.k:
        return None
    request = TraceRequest(chosen.model, chosen.text, chosen.against_policy)
    runs = state.asked() and not engine.records_only() and not answers.from_file(trace)
    if runs or answers.is_recorded(request):
        return answers.answer(request)
    return None


def _choice(run: Trace) -> tuple[str, float]:
    """The likeliest token of a run, and its probability."""
    return run.next_tokens[0], float(run.next_probabilities()[0])


def _row(run: Trace, *, key: str) -> None:
    """The likeliest tokens; the first is this k's choice."""
    shares = run.next_probabilities().tolist()
    found = [
        (token, raw, share)
        for token, share in zip(run.next_tokens, shares, strict=True)
        if (raw := typed(token)) is not None
    ][:_SHOWN]
    if not found:
        return
    picker(
        [
            Cell(visible(token), f"{share:.2f}".lstrip("0"), texts.candidate(token, share))
            for token, _, share in found
        ],
        label=texts.choice(run.expert_ids.shape[-1]),
        chosen=0,
        shape="tokens",
        on_pick=_adding([raw for _, raw, _ in found]),
        key=key,
    )


def _adding(tokens: list[str]) -> Callable[[int], None]:
    def add(at: int) -> None:
        st.session_state["draft"] = text = state.selection().prompt + tokens[at]
        state.submit(text)

    return add


def typed(token: str) -> str | None:
    """What a token adds to a text; None where its visible text does not say that."""
    text = "".join(_NAMED.get(character, character) for character in token)
    known = text and all(each.isprintable() or each in "\n\t" for each in text)
    return text if known and not set(text) & set("‹›␀␡") else None
