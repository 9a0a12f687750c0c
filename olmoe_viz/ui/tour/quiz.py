"""A question of the tour: guess, and only then see what was measured."""

import streamlit as st

from olmoe_viz.ui.quality import tables
from olmoe_viz.ui.session import answers, state
from olmoe_viz.ui.texts import own_stops
from olmoe_viz.ui.texts import tour as texts
from olmoe_viz.ui.tour.answers import TABLES, Answer, mass
from olmoe_viz.ui.tour.stops import OwnQuestion
from olmoe_viz.ui.widgets import origin
from olmoe_viz.ui.widgets.wording import plain


def ask(asked: str | OwnQuestion, *, key: str) -> None:
    """Draw the question and, once there is a guess, the answer with its origin.

    `asked` is the name of one of ours, or one of a teacher's own.
    """
    question = texts.QUESTIONS[asked] if isinstance(asked, str) else asked
    with st.container(key="tour_question", gap="xsmall"):
        guess = st.segmented_control(
            plain(question.text),
            question.options,
            key=key,
            wrap=True,
            format_func=plain,
            persist_state="session",
        )
        if guess is not None:
            _reveal(asked, guess)


def _reveal(asked: str | OwnQuestion, guess: str) -> None:
    if isinstance(asked, OwnQuestion):
        answer = Answer((asked.right,), plain(asked.because))
        _show(guess, answer, "quoted", own_stops.OWN_ANSWER)
    else:
        _measured(asked, guess)


def _measured(name: str, guess: str) -> None:
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
        verdict = plain(texts.verdict(guess, answer.right))
        st.markdown(f"**{verdict}** {answer.sentence}", width="content")
        origin.badge(source, details)
