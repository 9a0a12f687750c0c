"""The button that ends what the visitor waits for."""

from collections.abc import Callable
from itertools import count

import streamlit as st

_numbers = count()


def stop_button(on_click: Callable[[], None]) -> None:
    """Place the button; the run that it ends notices at its next line on the page.

    Each has a key of its own, since a page may wait several times before it is whole.
    """
    st.button("Stop", on_click=on_click, key=f"stop_{next(_numbers)}")
