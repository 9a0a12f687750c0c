"""Points at an element of the page: an outline, and once for each stop a scroll to it."""

from pathlib import Path

import streamlit as st

_HERE = Path(__file__).parent
_component = st.components.v2.component(
    "olmoe_viz_tour_pointer", html="<i hidden></i>", js=(_HERE / "pointer.js").read_text("utf-8")
)


def pointer(target: str, *, stop: int) -> None:
    """Point at the element with the key `target` as soon as the page has it."""
    _component(key="tour_pointer", data={"target": target, "stop": stop}, height=1)
