"""A phone in a room: the question, a button for each option, and the answer when it is shown."""

import streamlit as st

from olmoe_viz.ui.classroom import rooms, same_browser, shown
from olmoe_viz.ui.classroom.questions import Asked, asked
from olmoe_viz.ui.classroom.rooms import Room
from olmoe_viz.ui.texts import classroom as texts

_LATE = "room_late"


@st.fragment(run_every=2)
def draw(room: Room) -> None:
    """Draw what a room asks, and take a guess."""
    if not rooms.current().holds(room):
        st.rerun()
    asks = asked(room.question, room)
    mine = room.guesses.get(same_browser.number())
    shown.question(asks)
    if room.revealed:
        if mine is not None:
            st.caption(f"{texts.YOUR_GUESS}: {asks.options[mine]}")
        shown.answer(room.question, asks, room.counts(len(asks.options)))
        return
    _options(room, asks, mine)
    if mine is not None:
        st.caption(texts.TAKEN)
    if st.session_state.pop(_LATE, False):
        st.caption(texts.LATE)


def _options(room: Room, asks: Asked, mine: int | None) -> None:
    with st.container(key="room_options", gap="small"):
        for number, option in enumerate(asks.options):
            st.button(
                option,
                key=f"room_option_{number}",
                type="primary" if number == mine else "secondary",
                width="stretch",
                on_click=_guess,
                args=(room, number, room.question),
            )


def _guess(room: Room, option: int, question: str) -> None:
    st.session_state[_LATE] = not room.guess(same_browser.number(), option, question)
