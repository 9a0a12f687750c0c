"""The pages and their order."""

from contextvars import ContextVar

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from olmoe_viz.ui.session import collector, state

_inside: ContextVar[bool] = ContextVar("inside_app", default=False)


def declare() -> StreamlitPage:
    """Declare the pages and return the one that is asked for."""
    return st.navigation(
        [
            st.Page("pages/map.py", title="Map", default=True),
            st.Page("pages/follow.py", title="Follow a token"),
            st.Page("pages/compare.py", title="Compare k"),
            st.Page("pages/lab.py", title="Lab"),
            st.Page("pages/quality.py", title="Quality"),
            st.Page("pages/runs.py", title="Runs"),
            st.Page("pages/classroom.py", title="Class"),
            st.Page("pages/about.py", title="About"),
            st.Page("pages/glossary.py", title="Glossary"),
            st.Page("pages/lesson.py", title="Lesson", visibility="hidden"),
        ],
        position="top",
    )


def run(page: StreamlitPage) -> None:
    """Run a page; `app.py` ends with this, below the frame."""
    token = _inside.set(True)
    try:
        page.run()
    finally:
        _inside.reset(token)
    # A page that generates no text lets the wish lapse.
    state.drop_wish()
    collector.set_aside_once()


def through_app() -> None:
    """Begin every page with this: run `app.py` first if Streamlit has passed it by.

    Streamlit takes a folder named pages for the whole navigation until a server has seen the first
    `st.navigation`. The first visitor who follows a link would get the page without its frame.
    """
    if not _inside.get():
        declare()
        st.rerun()
