"""The lesson as a page: docs/lesson.md as it stands there, which is our own text."""

from pathlib import Path

import streamlit as st

from olmoe_viz.ui import tour
from olmoe_viz.ui.texts import lesson as texts
from olmoe_viz.ui.texts import tour as tour_texts


def draw(file: Path) -> None:
    """Draw the lesson, with the ways to what it needs."""
    st.html(Path(__file__).with_name("classroom.css"))
    with st.container(key="lesson"):
        title, _, body = file.read_text("utf-8").removeprefix("# ").partition("\n")
        st.header(title, anchor=False)
        with st.container(horizontal=True, gap="medium", vertical_alignment="center"):
            st.button(tour_texts.BEGIN, key="lesson_tour", on_click=tour.begin)
            st.page_link("pages/classroom.py", label=texts.TO_CLASS)
        st.markdown(body)
