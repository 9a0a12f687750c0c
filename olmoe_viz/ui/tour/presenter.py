"""Presenter mode: type for the back row and the tour at the side, in the URL as `present=1`."""

from pathlib import Path

import streamlit as st

from olmoe_viz.ui.texts import tour as texts

_HERE = Path(__file__).parent
_PRESENT = "present"


def draw() -> None:
    """Put the larger type in force where it is wanted, and bring the URL up to date."""
    if _PRESENT not in st.session_state:
        st.session_state[_PRESENT] = st.query_params.get(_PRESENT) == "1"
    if on():
        st.html(_HERE / "present.css")
        st.query_params[_PRESENT] = "1"
    else:
        st.query_params.pop(_PRESENT, None)


def on() -> bool:
    """Whether somebody presents."""
    return bool(st.session_state[_PRESENT])


def toggle() -> None:
    """The switch, for the place where settings stand."""
    st.session_state["choice_present"] = st.session_state[_PRESENT]
    st.toggle(texts.LARGER_TYPE, key="choice_present", on_change=_take)


def _take() -> None:
    st.session_state[_PRESENT] = st.session_state["choice_present"]
