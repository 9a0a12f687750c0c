"""A room's question and its answer, as a teacher's screen and a phone show them."""

import streamlit as st

from olmoe_viz.ui.classroom.questions import Asked, outcome
from olmoe_viz.ui.texts import classroom as texts
from olmoe_viz.ui.texts import tour
from olmoe_viz.ui.widgets import origin


def question(asks: Asked) -> None:
    """The question; of a blind comparison both texts."""
    st.subheader(asks.text, anchor=False)
    if asks.pair is None:
        return
    st.text(asks.pair.prompt + texts.GOES_ON)
    with st.container(key="room_texts"):
        columns = st.columns(2, gap="large")
        for column, name, text in zip(columns, asks.options, asks.pair.texts, strict=True):
            with column:
                st.caption(name)
                st.text(text)


def answer(name: str, asks: Asked, counts: list[int]) -> None:
    """What was measured, and how many guessed it, with where it is from."""
    try:
        short, full, where = outcome(name, asks, counts)
    except FileNotFoundError:
        st.caption(tour.missing("quality"))
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="room_answer"):
        st.markdown(f"**{short}** {full}", width="content")
        origin.badge("recorded", where)
