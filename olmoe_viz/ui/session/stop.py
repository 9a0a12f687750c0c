"""How a visitor's waiting ends early: by a button, by a click elsewhere, or by leaving the page.

All of them come as exceptions of Streamlit when the run that waits touches the page.
"""

from collections.abc import Callable
from itertools import count

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from olmoe_viz.ui.widgets.button_shown import button_shown, can_answer

LOOK = 0.2  # seconds between two touches of the page
_SHOWN = "buttons_are_shown"
_numbers = count()


def stop_button(on_click: Callable[[], None]) -> None:
    """Place the button; the run that it ends notices at its next line on the page.

    Each has a key of its own, since a page may wait several times before it is whole.
    """
    st.button("Stop", on_click=on_click, key=f"stop_{next(_numbers)}")


def touch() -> None:
    """Touch the page without drawing: here a stop, a rerun and a closed tab get through."""
    "any" in st.session_state  # noqa: B015  # Streamlit looks for them at every such access


def need_button(button: str, place: DeltaGenerator) -> None:
    """Before a text begins to grow: go on only where the browser shows the button with this key.

    Else the run ends here, and the browser begins another one as soon as it shows the button; so
    what was wished for must be kept until after this call. `place` takes the component that
    reports it, which is not seen.

    A browser fetches the code of buttons at the first one, and draws late what had to wait for
    code while anything else is to be drawn: beside text that grows the button would be missing for
    seconds. Once that code is there, for the rest of the session, a button is drawn at once.
    """
    if st.session_state.get(_SHOWN, False) or not can_answer():
        return
    with place.container():
        button_shown(button, _remember)
    st.stop()


def _remember() -> None:
    st.session_state[_SHOWN] = True
