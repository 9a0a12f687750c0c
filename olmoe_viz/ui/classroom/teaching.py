"""The teacher's screen: how phones come in, one histogram, then what was measured."""

from collections.abc import Callable

import streamlit as st

from olmoe_viz.ui.classroom import invitation, rooms, shown
from olmoe_viz.ui.classroom.questions import asked
from olmoe_viz.ui.classroom.rooms import Room
from olmoe_viz.ui.texts import classroom as texts
from olmoe_viz.ui.widgets.wording import plain


def draw(room: Room, *, question: Callable[[], None], close: Callable[[], None]) -> None:
    """Draw the screen of a room; `question` draws the choice of one, `close` is a callback."""
    guesses, ways = st.columns((3, 2), gap="large")
    with ways:
        invitation.draw(room)
        # Beside the question, so that all of it and of what is guessed has the height of a screen.
        with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
            question()
            st.button(texts.AGAIN, key="room_ask", on_click=_ask, args=(room,))
            st.button(texts.CLOSE, key="room_close", on_click=close)
    with guesses, st.container(key="room_guesses", gap="small"):
        _guesses(room)


@st.fragment(run_every=1)
def _guesses(room: Room) -> None:
    if not rooms.current().holds(room):
        st.rerun()
    asks = asked(room.question, room)
    counts = room.counts(len(asks.options))
    shown.question(asks)
    total = sum(counts)
    st.caption(texts.guessed(total))
    with st.container(key="room_histogram", gap="xsmall"):
        for option, count in zip(asks.options, counts, strict=True):
            st.progress(count / max(total, 1), plain(texts.bar(option, count, total)))
    if room.revealed:
        shown.answer(room.question, asks, counts)
    else:
        st.button(texts.REVEAL, type="primary", on_click=room.reveal)


def _ask(room: Room) -> None:
    room.ask(st.session_state["room_question"])
