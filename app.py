"""Entry of the application: page settings, navigation, and the frame around every page."""

import streamlit as st

from olmoe_viz.ui import frame

st.set_page_config(
    page_title="olmoe-viz",
    page_icon=":material/grid_on:",
    layout="wide",
    initial_sidebar_state="collapsed",
)
page = st.navigation(
    [
        st.Page("pages/map.py", title="Map", default=True),
        st.Page("pages/compare.py", title="Compare k"),
        st.Page("pages/about.py", title="About"),
    ],
    position="top",
)
frame.draw()
page.run()
