"""How a visitor's waiting ends early: by a button, or by leaving the page."""

from collections.abc import Callable
from itertools import count

import streamlit as st

LOOK = 0.2  # seconds between two looks at the page, where a closed tab or a stop gets through
_numbers = count()


def stop_button(on_click: Callable[[], None]) -> None:
    """Place the button; the run that it ends notices at its next line on the page.

    Each has a key of its own, since a page may wait several times before it is whole.
    """
    st.button("Stop", on_click=on_click, key=f"stop_{next(_numbers)}")
