"""The page Class: a teacher's screen with its room, or a phone that has joined one."""

import secrets
from functools import cache
from pathlib import Path

import streamlit as st

from olmoe_viz import settings
from olmoe_viz.ui.classroom.questions import Asked, asked, names, outcome
from olmoe_viz.ui.classroom.rooms import (
    Room,
    Rooms,
    TooManyAttemptsError,
    TooManyRoomsError,
    spoken,
)
from olmoe_viz.ui.texts import classroom as texts
from olmoe_viz.ui.texts import tour
from olmoe_viz.ui.widgets import message, origin
from olmoe_viz.ui.widgets.wording import plain

_TAUGHT, _JOINED, _VISITOR, _SAID = "room_taught", "room_joined", "room_visitor", "room_said"


@cache
def rooms() -> Rooms:
    """The rooms of this process."""
    return Rooms(settings.current().rooms)


def draw() -> None:
    """Draw what this visit is: a room's teacher, somebody who has joined, or neither yet."""
    st.html(Path(__file__).with_name("classroom.css"))
    st.header(texts.TITLE, anchor=False)
    if rooms().most == 0:
        message.note(texts.OFF)
        return
    st.session_state.setdefault(_VISITOR, secrets.token_hex(16))
    if said := st.session_state.pop(_SAID, None):
        message.refusal(said)
    if _TAUGHT in st.session_state:
        _teacher()
    elif _JOINED in st.session_state:
        _phone()
    else:
        _entry()


def _entry() -> None:
    st.markdown(texts.WHAT_THIS_IS)
    with st.form("room_join", border=False), st.container(key="room_entry", gap="small"):
        st.text_input(
            texts.CODE, key="room_code", max_chars=20, help=texts.CODE_HELP, autocomplete="off"
        )
        st.form_submit_button(texts.JOIN, type="primary", on_click=_join)
    st.subheader(texts.TEACH, anchor=False)
    _question()
    st.button(texts.OPEN, key="room_open", on_click=_open)


def _question() -> None:
    st.selectbox(
        texts.QUESTION, list(names()), key="room_question", format_func=names().__getitem__
    )


def _join() -> None:
    try:
        room = rooms().join(st.session_state["room_code"])
    except TooManyAttemptsError:
        st.session_state[_SAID] = texts.ATTEMPTS
        return
    if room is None:
        st.session_state[_SAID] = texts.UNKNOWN
    else:
        st.session_state[_JOINED] = room


def _open() -> None:
    try:
        st.session_state[_TAUGHT] = rooms().open(st.session_state["room_question"])
    except TooManyRoomsError:
        st.session_state[_SAID] = texts.FULL


def _close(room: Room) -> None:
    rooms().close(room)
    st.session_state.pop(_TAUGHT, None)


@st.fragment(run_every=2)
def _teacher() -> None:
    room: Room = st.session_state[_TAUGHT]
    if not rooms().holds(room):
        message.note(texts.GONE)
        st.button(texts.CLOSE, key="room_close", on_click=_close, args=(room,))
        return
    st.caption(texts.HOW)
    with st.container(key="room_shown_code"):
        st.text(spoken(room.code))
    name = room.question
    question = asked(name, room)
    counts = room.counts(len(question.options))
    _ask_in_words(question)
    total = sum(counts)
    st.caption(texts.guessed(total))
    with st.container(key="room_histogram", gap="xsmall"):
        for option, count in zip(question.options, counts, strict=True):
            st.progress(count / max(total, 1), plain(texts.bar(option, count, total)))
    if room.revealed:
        _answer(name, question, counts)
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        if not room.revealed:
            st.button(texts.REVEAL, type="primary", on_click=room.reveal)
        _question()
        st.button(texts.AGAIN, key="room_ask", on_click=_ask, args=(room,))
        st.button(texts.CLOSE, key="room_close", on_click=_close, args=(room,))


def _ask(room: Room) -> None:
    room.ask(st.session_state["room_question"])


@st.fragment(run_every=3)
def _phone() -> None:
    room: Room = st.session_state[_JOINED]
    if not rooms().holds(room):
        message.note(texts.GONE)
        st.button(texts.JOIN, on_click=lambda: st.session_state.pop(_JOINED, None))
        return
    name, visitor = room.question, st.session_state[_VISITOR]
    question = asked(name, room)
    _ask_in_words(question)
    mine = room.guesses.get(visitor)
    if room.revealed:
        if mine is not None:
            st.caption(f"{texts.YOUR_GUESS}: {question.options[mine]}")
        _answer(name, question, room.counts(len(question.options)))
        return
    with st.container(key="room_options", gap="small"):
        for number, option in enumerate(question.options):
            st.button(
                option,
                key=f"room_option_{number}",
                type="primary" if number == mine else "secondary",
                width="stretch",
                on_click=_guess,
                args=(room, number, name),
            )
    if mine is not None:
        st.caption(texts.TAKEN)
    if st.session_state.pop(_SAID, None):
        st.caption(texts.LATE)


def _guess(room: Room, option: int, question: str) -> None:
    if not room.guess(st.session_state[_VISITOR], option, question):
        st.session_state[_SAID] = texts.LATE


def _ask_in_words(question: Asked) -> None:
    st.subheader(question.text, anchor=False)
    if question.pair is None:
        return
    st.text(question.pair.prompt + texts.GOES_ON)
    with st.container(key="room_texts"):
        columns = st.columns(2, gap="large")
        for column, name, text in zip(columns, question.options, question.pair.texts, strict=True):
            with column:
                st.caption(name)
                st.text(text)


def _answer(name: str, question: Asked, counts: list[int]) -> None:
    try:
        short, full, where = outcome(name, question, counts)
    except FileNotFoundError:
        st.caption(tour.missing("quality"))
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="room_answer"):
        st.markdown(f"**{short}** {full}", width="content")
        origin.badge("recorded", where)
