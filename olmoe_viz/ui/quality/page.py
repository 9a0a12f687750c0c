"""The page Quality: what was measured on held-out text and comes with the application."""

import streamlit as st

from olmoe_viz.analysis.saturation import load_router_checkpoints
from olmoe_viz.ui.quality import (
    bits_panel,
    claims_panel,
    quoted,
    specialization_panels,
    tables,
    why_panel,
)
from olmoe_viz.ui.texts import quality as texts
from olmoe_viz.ui.widgets import panel


def draw() -> None:
    """Draw the page; it needs no run."""
    st.header(texts.TITLE, anchor=False)
    panel.head(texts.BETTER, "recorded", tables.where())
    bits_panel.draw()
    panel.head(texts.QUOTED, "quoted", texts.FROM)
    st.caption(f"{texts.FROM} {texts.LOWER_IS_BETTER}")
    st.table(
        quoted.QUALITY, border="horizontal", hide_index=True, width="content", alt=texts.QUOTED
    )
    st.caption(texts.WHY_THEY_DIFFER)
    with st.container(key="domains_part"):
        panel.head(texts.DOMAINS, "recorded", tables.where())
        specialization_panels.domains()
    checkpoints = load_router_checkpoints()
    windows, length = checkpoints.token_ids.shape
    panel.head(texts.SETTLED, "recorded", tables.where(texts.windows(windows, length)))
    specialization_panels.settled(checkpoints)
    claims_panel.draw()
    why_panel.draw()
