"""The page Class: a teacher's screen with its room, or a phone that has joined one."""

from pathlib import Path

import streamlit as st

from olmoe_viz.ui.classroom import (
    guessing,
    invitation,
    own_stops_panel,
    rooms,
    same_browser,
    teaching,
)
from olmoe_viz.ui.classroom.questions import names
from olmoe_viz.ui.classroom.rooms import (
    Room,
    TooManyAttemptsError,
    TooManyOpenedError,
    TooManyRoomsError,
)
from olmoe_viz.ui.texts import classroom as texts
from olmoe_viz.ui.widgets import message

_TAUGHT, _JOINED, _SAID, _LOOKED = "room_taught", "room_joined", "room_said", "room_looked"
_LINK = "room"


def draw(docs: Path) -> None:
    """Draw what this visit is: a room's teacher, somebody who has joined, or neither yet.

    `docs` is the folder with the sample of a teacher's own stops.
    """
    st.html(Path(__file__).with_name("classroom.css"))
    with st.container(key="class_title"):
        st.header(texts.TITLE, anchor=False)
    if rooms.current().most == 0:
        message.note(texts.OFF)
        _lesson(docs)
        return
    _follow_link()
    if said := st.session_state.pop(_SAID, None):
        message.refusal(said)
    room: Room | None = st.session_state.get(_TAUGHT) or st.session_state.get(_JOINED)
    if room is None:
        st.query_params.pop(_LINK, None)
        _entry()
        _lesson(docs)
    elif not rooms.current().holds(room):
        message.note(texts.GONE)
        st.button(texts.LEAVE, key="room_leave", on_click=_leave)
    else:
        st.query_params[_LINK] = invitation.named(room)
        same_browser.remember()
        if _TAUGHT in st.session_state:
            teaching.draw(room, question=_question, close=_leave)
        else:
            guessing.draw(room)


def _follow_link() -> None:
    """At the first run of a session: the room of the link, or one that this browser opened."""
    if _LOOKED in st.session_state:
        return
    st.session_state[_LOOKED] = True
    if _LINK in st.query_params:
        _enter(*invitation.parts(st.query_params[_LINK]))
    elif room := rooms.current().taught(same_browser.number()):
        st.session_state[_TAUGHT] = room


def _entry() -> None:
    st.markdown(texts.WHAT_THIS_IS)
    with st.form("room_join", border=False), st.container(key="room_entry", gap="small"):
        st.text_input(
            texts.CODE, key="room_code", max_chars=20, help=texts.CODE_HELP, autocomplete="off"
        )
        st.form_submit_button(texts.JOIN, type="primary", on_click=_join)
    st.subheader(texts.TEACH, anchor=False)
    with st.container(key="room_opening", gap="small"):
        _question()
        st.button(texts.OPEN, key="room_open", on_click=_open)


def _lesson(docs: Path) -> None:
    """What else a teacher finds here."""
    st.page_link("pages/lesson.py", label=texts.TO_LESSON)
    own_stops_panel.draw(docs / "stops.yaml")


def _question() -> None:
    st.selectbox(
        texts.QUESTION, list(names()), key="room_question", format_func=names().__getitem__
    )


def _join() -> None:
    _enter(st.session_state["room_code"], rooms.current().process)


def _enter(code: str, process: str) -> None:
    """Go into a room, as its teacher from the browser that opened it; or note why not."""
    if process != rooms.current().process:
        st.session_state[_SAID] = texts.ELSEWHERE
        return
    try:
        room = rooms.current().join(code)
    except TooManyAttemptsError:
        st.session_state[_SAID] = texts.ATTEMPTS
        return
    if room is None:
        st.session_state[_SAID] = texts.UNKNOWN
        return
    teaches = room.teacher == same_browser.number()
    st.session_state[_TAUGHT if teaches else _JOINED] = room


def _open() -> None:
    try:
        room = rooms.current().open(st.session_state["room_question"], same_browser.number())
    except (TooManyRoomsError, TooManyOpenedError) as error:
        full = isinstance(error, TooManyRoomsError)
        st.session_state[_SAID] = texts.FULL if full else texts.OPENED
        return
    st.session_state[_TAUGHT] = room


def _leave() -> None:
    """Leave the room; its teacher closes it."""
    st.session_state.pop(_JOINED, None)
    room = st.session_state.pop(_TAUGHT, None)
    if room is not None:
        rooms.current().close(room)
