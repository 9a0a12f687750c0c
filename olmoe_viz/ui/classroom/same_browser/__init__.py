"""Which browser this is: a random number in a cookie, so that a reload stays in its room.

The cookie is written once a room is opened or joined, holds nothing else, and ends with the room.
It says that two visits come from one browser, not from one person: a private window or another
browser counts as another one, and tabs of one browser count as the same.
"""

import re
import secrets
from pathlib import Path

import streamlit as st

from olmoe_viz.ui.classroom.rooms import LONGEST_SECONDS
from olmoe_viz.ui.widgets.component import component

_COOKIE, _KEPT = "olmoe_viz_room", "room_browser"
_NUMBER = re.compile("[0-9a-f]{32}")
_component = component("same_browser", Path(__file__).parent, "same_browser.js")


def number() -> str:
    """The number of this browser: as its cookie says, else a new one, which the session keeps."""
    if _KEPT not in st.session_state:
        written = str(st.context.cookies.get(_COOKIE, ""))
        known = _NUMBER.fullmatch(written) is not None
        st.session_state[_KEPT] = written if known else secrets.token_hex(16)
    kept: str = st.session_state[_KEPT]
    return kept


def remember() -> None:
    """Write the number into the browser's cookie; nothing is seen of it."""
    cookie = f"{_COOKIE}={number()}; Max-Age={LONGEST_SECONDS}; SameSite=Strict"
    _component(key="room_browser_cookie", data={"cookie": cookie}, height=1)
