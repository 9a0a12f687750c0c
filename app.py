"""Entry of the application: its server, and what it runs for every visit.

`streamlit run` finds `app` below, imports this file once and serves it. For a visit Streamlit runs
the file under the name of a program; so does a server that does not look for `app`.
"""

import os
from pathlib import Path

import streamlit as st

# A thread that waits for its neighbor sleeps instead of spinning. With more work than cores, as in
# a classroom, spinning made decoding 20 times slower. OpenMP reads this when torch is imported,
# which nothing here does.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

if __name__ == "__main__":
    # Only here: widgets are declared where there is a session.
    from olmoe_viz.ui import tour
    from olmoe_viz.ui.frame import frame, navigation
    from olmoe_viz.ui.session import sign_in

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
else:
    from olmoe_viz.ui.session import server

    app = st.App(__file__, routes=server.ROUTES, lifespan=server.lifespan)
