"""How a visitor's waiting ends early: by a button, by a click elsewhere, or by leaving the page.

All of them come as exceptions of Streamlit when the run that waits touches the page.
"""

import time
from collections.abc import Callable
from itertools import count

import streamlit as st

LOOK = 0.2  # seconds between two touches of the page
_COMING = 0.6  # seconds in which a browser has fetched and drawn a button
_UP = "buttons_are_up"
_numbers = count()


def stop_button(on_click: Callable[[], None]) -> None:
    """Place the button; the run that it ends notices at its next line on the page.

    Each has a key of its own, since a page may wait several times before it is whole.
    """
    st.button("Stop", on_click=on_click, key=f"stop_{next(_numbers)}")


def touch() -> None:
    """Touch the page without drawing: here a stop, a rerun and a closed tab get through."""
    "any" in st.session_state  # noqa: B015  # Streamlit looks for them at every such access


def wait_for_button() -> None:
    """Before a text begins to grow: once a session, give the browser time to draw its button.

    A browser fetches the code of buttons at the first one, and draws late what had to wait for
    code while anything else is to be drawn. A link starts the text with the page itself, and beside
    text that grows the stop button would be missing for seconds.
    """
    if not st.session_state.get(_UP, False):
        st.session_state[_UP] = True
        time.sleep(_COMING)
