"""What is measured only after somebody has pressed a button for it, and then stays."""

import streamlit as st

from olmoe_viz.engine.engine import Answer
from olmoe_viz.requests import Request
from olmoe_viz.ui.session import answers


def pressed(request: Request, *, label: str, says: str, key: str) -> Answer | None:
    """The answer to a request, once its button was pressed; until then, and after a stop, None.

    Args:
        request: what is asked; for another one the button is there again.
        label: what the button is called.
        says: what a press will do, and how long it takes.
        key: unique on the page.
    """
    wish, shown = f"{key}_wish", f"{key}_shown"
    # The wish is forgotten before the wait, so that a stop leaves it alone.
    if st.session_state.pop(wish, None) != request and st.session_state.get(shown) != request:
        st.caption(says)
        st.button(label, key=key, on_click=_wish, args=(wish, request))
        return None
    st.session_state[shown] = None
    found = answers.answer(request)
    if found is not None:
        st.session_state[shown] = request
    return found


def _wish(name: str, request: Request) -> None:
    st.session_state[name] = request
