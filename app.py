"""Entry of the application: page settings, navigation, and the frame around every page."""

from pathlib import Path

import streamlit as st

from olmoe_viz.ui import frame, navigation, tour

st.set_page_config(
    page_title="olmoe-viz",
    page_icon=Path(frame.__file__).with_name("icon.svg"),
    layout="wide",
    initial_sidebar_state="collapsed",
)
page = navigation.declare()
tour.draw(page)
frame.draw()
navigation.run(page)
