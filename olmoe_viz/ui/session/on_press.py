"""What is measured only after somebody has pressed a button for it, and then stays."""

from collections.abc import Hashable
from functools import partial

import streamlit as st

from olmoe_viz.engine.engine import Answer
from olmoe_viz.requests import Request
from olmoe_viz.ui.session import answers, state

_WISHES = "wishes_to_measure"  # button -> what it was pressed for


def wished(what: Hashable, *, label: str, says: str, key: str) -> bool:
    """Whether the button was pressed for this; else it is placed. Arguments as in `pressed`."""
    wishes: dict[str, Hashable] = st.session_state.setdefault(_WISHES, {})
    if wishes.get(key) == what:
        return True
    st.caption(says)
    st.button(label, key=key, on_click=_wish, args=(key, what))
    return False


def pressed(request: Request, *, label: str, says: str, key: str) -> Answer | None:
    """The answer to a request, once its button was pressed; until then None.

    A click elsewhere while it is measured begins it again; a stop takes the wish back.

    Args:
        request: what is asked; for another one the button is there again.
        label: what the button is called.
        says: what a press will do, and how long it takes.
        key: unique on the page.
    """
    if not wished(request, label=label, says=says, key=key):
        return None
    found = answers.answer(request, on_stop=partial(drop, key))
    if found is None:
        drop(key)
    return found


def _wish(key: str, what: Hashable) -> None:
    st.session_state[_WISHES][key] = what
    state.change()  # whoever presses asks for something


def drop(key: str) -> None:
    """Take back what a button was pressed for, so that it is there again."""
    st.session_state.get(_WISHES, {}).pop(key, None)


def forget() -> None:
    """After a stop nothing is measured again until it is asked for."""
    st.session_state.pop(_WISHES, None)
