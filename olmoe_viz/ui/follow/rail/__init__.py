"""The names of the steps at the left: links that say where one is."""

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

_HERE = Path(__file__).parent
_component = st.components.v2.component(
    "olmoe_viz_rail",
    html='<nav aria-label="Steps"><ol></ol></nav>',
    css=(_HERE / "rail.css").read_text("utf-8"),
    js=(_HERE / "rail.js").read_text("utf-8"),
)


def rail(names: Sequence[str], *, key: str) -> None:
    """Place the links; the n-th leads to the container with the key `step_n`, n from 1."""
    _component(key=key, data={"names": list(names)})
