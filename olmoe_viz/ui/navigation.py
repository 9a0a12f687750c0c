"""The pages and their order."""

import streamlit as st
from streamlit.navigation.page import StreamlitPage

_ENTERED = "entered"


def enter() -> StreamlitPage:
    """Declare the pages and return the one that is asked for; `app.py` calls this first."""
    st.session_state[_ENTERED] = True
    return _declare()


def through_app() -> None:
    """Begin every page with this: run `app.py` first if Streamlit has passed it by.

    Streamlit takes a folder named pages for the whole navigation until a server has seen the first
    `st.navigation`. The first visitor who follows a link would get the page without its frame.
    """
    if not st.session_state.get(_ENTERED):
        _declare()
        st.rerun()


def _declare() -> StreamlitPage:
    return st.navigation(
        [
            st.Page("pages/map.py", title="Map", default=True),
            st.Page("pages/compare.py", title="Compare k"),
            st.Page("pages/about.py", title="About"),
        ],
        position="top",
    )
