"""Entry of the application: page settings, navigation, and the frame around every page."""

import os
from pathlib import Path

import streamlit as st

from olmoe_viz.ui import tour
from olmoe_viz.ui.frame import frame, navigation
from olmoe_viz.ui.session import sign_in

# A thread that waits for its neighbor sleeps instead of spinning. With more work than cores, as in
# a classroom, spinning made decoding 20 times slower. OpenMP reads this when torch is imported,
# which nothing above does.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

st.set_page_config(
    page_title="olmoe-viz",
    page_icon=Path(frame.__file__).with_name("icon.svg"),
    layout="wide",
    initial_sidebar_state="collapsed",
)
page = navigation.declare()
if not sign_in.let_in():
    st.stop()
tour.draw(page)
frame.draw(page)
navigation.run(page)
