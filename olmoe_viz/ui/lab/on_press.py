"""What is measured only after somebody has pressed a button for it, and then stays."""

import streamlit as st

from olmoe_viz.engine.engine import Answer
from olmoe_viz.requests import Request
from olmoe_viz.ui.session import answers

_WISHES = "lab_wishes"  # button -> the request that it was pressed for


def pressed(request: Request, *, label: str, says: str, key: str) -> Answer | None:
    """The answer to a request, once its button was pressed; until then None.

    A click elsewhere while it is measured begins it again.

    Args:
        request: what is asked; for another one the button is there again.
        label: what the button is called.
        says: what a press will do, and how long it takes.
        key: unique on the page.
    """
    wishes: dict[str, Request] = st.session_state.setdefault(_WISHES, {})
    if wishes.get(key) != request:
        st.caption(says)
        st.button(label, key=key, on_click=wishes.__setitem__, args=(key, request))
        return None
    found = answers.answer(request)
    if found is None:
        del wishes[key]
    return found


def forget() -> None:
    """After a stop nothing is measured again until it is asked for."""
    st.session_state.pop(_WISHES, None)
