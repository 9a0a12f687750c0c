"""Entry of the application: page settings, navigation, and the frame around every page."""

import streamlit as st

from olmoe_viz.ui import frame, navigation

st.set_page_config(
    page_title="olmoe-viz",
    page_icon=":material/grid_on:",
    layout="wide",
    initial_sidebar_state="collapsed",
)
page = navigation.declare()
frame.draw()
navigation.run(page)
