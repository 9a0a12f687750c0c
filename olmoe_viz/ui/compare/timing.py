"""The speed of each k alone: a button, and the runs that it starts."""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from olmoe_viz.engine.engine import Ticket
from olmoe_viz.requests import TimeRequest
from olmoe_viz.ui.compare import limits
from olmoe_viz.ui.compare.comparison import Comparison
from olmoe_viz.ui.session import answers
from olmoe_viz.ui.session.errors import TROUBLE, refuse
from olmoe_viz.ui.session.stop import LOOK, touch
from olmoe_viz.ui.texts import compare_cost as texts
from olmoe_viz.ui.texts.compare import STOP

RUNS = 3
_TOKENS = 16  # of each run, where the context has room for them
_WISH = "wish_for_times"


def draw(comparison: Comparison) -> None:
    """The button; after a press each policy is timed, and the comparison keeps the times."""
    with st.container(horizontal=True, vertical_alignment="center", key="cost_controls"):
        st.button(texts.time_alone(RUNS), key="time_alone", on_click=_wish)
        stop, line = st.empty(), st.empty()
    if st.session_state.pop(_WISH, False):
        stop.button(STOP, key="stop_timing")
        _time(comparison, line, tokens_alone(comparison))
        stop.empty()
        line.empty()


def tokens_alone(comparison: Comparison) -> int:
    """How many tokens each run alone writes: the usual number, or what the context has room for.

    There is room for one: the texts were written after the same prompt.
    """
    prompt = len(comparison.records()[0].prompt_ids)
    return min(_TOKENS, limits.tokens(), comparison.geometry.context - prompt)


def _wish() -> None:
    st.session_state[_WISH] = True


def _time(comparison: Comparison, line: DeltaGenerator, tokens: int) -> None:
    """Each run is kept at once; a stop ends it at the next access of the page."""
    policies = list(dict.fromkeys(column.policy for column in comparison.columns))
    comparison.alone.clear()
    try:
        for at, policy in enumerate(policies):
            ticket = answers.submit(
                TimeRequest(comparison.model, comparison.prompt, policy, tokens, RUNS)
            )
            kept = comparison.alone.setdefault(str(policy), [])
            _follow(ticket, kept, line, str(policy), (at / len(policies), 1 / len(policies)))
    except TROUBLE as error:
        refuse(error)


def _follow(
    ticket: Ticket, kept: list[float], line: DeltaGenerator, name: str, part: tuple[float, float]
) -> None:
    """Keep the seconds of each run; `part` is where this policy begins, and its share of all."""
    begin, share = part
    try:
        answers.wait_for_start(ticket, line)
        line.progress(begin, text=texts.warming_up(name))
        while not ticket.wait(LOOK):
            touch()
            if new := ticket.new_steps(len(kept), timeout=0):
                kept += new
                words = texts.run_alone(name, len(kept), RUNS)
                line.progress(begin + share * len(kept) / RUNS, text=words)
        kept += ticket.new_steps(len(kept), timeout=0)
    finally:
        ticket.cancel()
    ticket.result()
