"""What a teacher needs at the tour: the time, full screen, and keys that turn the stops."""

import time
from pathlib import Path

import streamlit as st

from olmoe_viz.ui.texts import tour as texts
from olmoe_viz.ui.widgets.component import component

_BEGAN = "tour_began"
_component = component(
    "tour_lectern",
    Path(__file__).parent,
    "lectern.js",
    html=(
        '<span class="clock" role="timer"></span><button type="button"></button>'
        '<p class="keys"></p>'
    ),
    css="lectern.css",
    constants={"WORDS": texts.LECTERN},
)


def lectern(*, back: str, forth: str) -> None:
    """The clock, the button of full screen, and the keys; `back` and `forth` are keys of buttons.

    The clock runs from the first stop that the session shows.
    """
    began = st.session_state.setdefault(_BEGAN, time.time())
    seconds = time.time() - began
    _component(key="tour_lectern", data={"seconds": seconds, "back": back, "forth": forth})


def forget() -> None:
    """The next tour starts its clock anew."""
    st.session_state.pop(_BEGAN, None)
