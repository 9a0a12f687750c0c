"""Reports once that the browser shows a button, so that a run can rely on it."""

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from olmoe_viz.ui.widgets.component import component

_component = component("button_shown", Path(__file__).parent, "button_shown.js")


def can_answer() -> bool:
    """Whether there is a browser that runs components.

    With its first request a browser sends the address it shows; a client that runs no page, as
    Streamlit's AppTest, sends none.
    """
    return st.context.url is not None


def button_shown(button: str, on_shown: Callable[[], None]) -> None:
    """Call `on_shown` before the run that begins when the button with the key `button` is shown."""
    _component(key="button_shown", data={"button": button}, on_shown_change=on_shown)
