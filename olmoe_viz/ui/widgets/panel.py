"""Panels: a heading with the origin of its numbers, and the token and layer they are about."""

from collections.abc import Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from olmoe_viz.ui.widgets import origin
from olmoe_viz.ui.widgets.wording import place


def head(
    title: str, source: origin.Origin | None, details: str = "", *, level: int = 3
) -> DeltaGenerator:
    """A heading of our own words, and the origin badge of everything below it.

    Returns the badge's place, empty without a source: while nothing is there yet.
    """
    with st.container(
        horizontal=True, vertical_alignment="center", gap="small", key=f"head_{title[:24]}"
    ):
        (st.header if level == 2 else st.subheader)(title, width="content", anchor=False)
        badge = st.empty()
    if source is not None:
        with badge:
            origin.badge(source, details)
    return badge


def cell(token: str, position: int, layer: int, layers: Sequence[int], *, key: str) -> None:
    """Say which token and layer, of all `layers`, the panel is about."""
    with st.container(key=f"place_{key}"):
        st.text(place(token, position, layer, layers))
