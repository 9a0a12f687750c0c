"""How phones come into a room: its code, a link, and the link as a QR code.

The link names the process whose room it is, since another one has no room of that code. It is made
of the address in the teacher's own browser, and nothing is asked of any server for it.
"""

from urllib.parse import urlsplit

import segno
import streamlit as st

from olmoe_viz.ui.classroom import rooms
from olmoe_viz.ui.classroom.rooms import Room, spoken
from olmoe_viz.ui.texts import classroom as texts
from olmoe_viz.ui.widgets import message

_BETWEEN = "~"


def named(room: Room) -> str:
    """A room as a link names it."""
    return f"{room.code}{_BETWEEN}{rooms.current().process}"


def parts(written: str) -> tuple[str, str]:
    """Code and process of what a link names; without a process it is as if typed here."""
    code, between, process = written.partition(_BETWEEN)
    return code, process if between else rooms.current().process


def draw(room: Room) -> None:
    """The code, the link and its QR code."""
    address = st.context.url
    link = f"{address}?room={named(room)}" if address else None
    if link is not None and not _reached_by_others(link):
        message.note(texts.THIS_COMPUTER)
    with st.container(key="room_invitation", gap="small"):
        st.caption(texts.HOW)
        with st.container(key="room_shown_code"):
            st.text(spoken(room.code))
        if link is not None:
            st.text(link)
            st.image(qr(link), width=264, alt=texts.QR)


def qr(link: str) -> str:
    """The QR code of a link as an SVG, black on white in both themes, with its quiet zone."""
    code = segno.make(link, error="m", micro=False)
    return code.svg_inline(scale=8, dark="black", light="white")


def _reached_by_others(link: str) -> bool:
    """Whether an address means this server on other machines too."""
    host = urlsplit(link).hostname or ""
    return not (host in ("localhost", "::1") or host.startswith("127."))
