"""A question of the tour: guess, and only then see what was measured."""

import streamlit as st

from olmoe_viz.ui.quality import tables
from olmoe_viz.ui.session import answers, state
from olmoe_viz.ui.texts import tour as texts
from olmoe_viz.ui.tour.answers import TABLES, Answer, mass
from olmoe_viz.ui.widgets import origin


def ask(name: str, *, key: str) -> None:
    """Draw the question and, once there is a guess, the answer with its origin."""
    question = texts.QUESTIONS[name]
    with st.container(key="tour_question", gap="xsmall"):
        guess = st.segmented_control(
            question.text, question.options, key=key, wrap=True, persist_state="session"
        )
        if guess is not None:
            _reveal(name, guess)


def _reveal(name: str, guess: str) -> None:
    if name == "mass":
        chosen = state.selection()
        trace = answers.run(chosen, chosen.policy)
        if trace is None:
            return
        answer = mass(trace.router_logits, trace.expert_ids)
        _show(guess, answer, *answers.where(trace))
        return
    table, read = TABLES[name]
    try:
        answer = read(tables.table(table))
    except FileNotFoundError:
        st.caption(texts.missing(table))
        return
    _show(guess, answer, "recorded", tables.where())


def _show(guess: str, answer: Answer, source: origin.Origin, details: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**{texts.verdict(guess, answer.right)}** {answer.sentence}", width="content")
        origin.badge(source, details)
