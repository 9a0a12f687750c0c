"""The line on a page that names the opened file whose numbers it shows."""

import streamlit as st

from olmoe_viz.ui.texts import runs as texts
from olmoe_viz.ui.widgets.wording import plain


def say(name: str | None) -> None:
    """Name the file, which a visitor called so; nothing where the numbers are from none."""
    if name:
        st.caption(texts.from_file(plain(name)))
