"""A button that copies the address of the view; the address mirrors the selection."""

from pathlib import Path

import streamlit as st

_HERE = Path(__file__).parent
_component = st.components.v2.component(
    "olmoe_viz_copy_link",
    html='<button type="button">Copy link</button><span role="status"></span>',
    css=(_HERE / "copy_link.css").read_text("utf-8"),
    js=(_HERE / "copy_link.js").read_text("utf-8"),
)


def copy_link(*, complete: bool) -> None:
    """Place the button; `complete` is False when the prompt is too long for a link."""
    _component(key="copy_link", data={"complete": complete}, width="content")
