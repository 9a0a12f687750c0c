"""Panels: a heading with the origin of its numbers, and a chart with its alternative text."""

import plotly.graph_objects as go
import streamlit as st

from olmoe_viz.ui import origin
from olmoe_viz.ui.text import place

_CONFIG = {"displayModeBar": False, "responsive": True}


def head(title: str, source: origin.Origin, details: str = "", *, level: int = 3) -> None:
    """A heading of our own words, and the origin badge of everything below it."""
    with st.container(
        horizontal=True, vertical_alignment="center", gap="small", key=f"head_{title[:24]}"
    ):
        (st.header if level == 2 else st.subheader)(title, width="content", anchor=False)
        origin.badge(source, details)


def cell(token: str, position: int, layer: int, *, key: str) -> None:
    """Say which token and layer the panel is about."""
    with st.container(key=f"place_{key}"):
        st.text(place(token, position, layer))


def chart(figure: go.Figure, *, alt: str, key: str) -> None:
    """Place a figure under our own template, without plotly's tool bar."""
    st.plotly_chart(figure, theme=None, width="stretch", config=_CONFIG, alt=alt, key=key)
