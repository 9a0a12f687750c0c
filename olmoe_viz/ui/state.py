"""The selection in force in this browser session, kept equal to the URL."""

from dataclasses import replace
from typing import Any, cast

import streamlit as st

from olmoe_viz.charts.palette import Theme
from olmoe_viz.ui.selection import QUERY_KEYS, Selection

_SELECTION = "selection"
_ASKED = "asked"
_WISH = "wish_for_text"


def selection() -> Selection:
    """The selection; at the first call of a session, what the URL says."""
    if _SELECTION not in st.session_state:
        query = {key: st.query_params[key] for key in QUERY_KEYS if key in st.query_params}
        st.session_state[_SELECTION] = Selection.from_query(query)
        # A link asks for what it names; a bare visit asks for nothing.
        st.session_state[_ASKED] = bool(query)
    return cast(Selection, st.session_state[_SELECTION])


def change(**values: Any) -> None:
    """Change fields of the selection and count it as a wish to see the result."""
    st.session_state[_SELECTION] = replace(selection(), **values)
    st.session_state[_ASKED] = True


def withdraw(**values: Any) -> None:
    """Callback of a stop: change fields, and take back the wish to see a result."""
    change(**values)
    st.session_state[_ASKED] = False


def take(field: str, key: str) -> None:
    """Callback of a widget: its value becomes a field of the selection."""
    change(**{field: st.session_state[key]})


def submit(prompt: str) -> None:
    """Take a new prompt; its last token is looked at first."""
    change(prompt=prompt, token=None)
    wish_for_text()


def wish_for_text() -> None:
    """Callback: the page that is shown shall generate text when it runs next."""
    st.session_state[_WISH] = True


def takes_wish() -> bool:
    """Whether Run or Generate was pressed since the last page was drawn; true once."""
    return bool(st.session_state.pop(_WISH, False))


def asked() -> bool:
    """Whether the visitor has asked for anything yet, so that a model may be loaded."""
    selection()
    return bool(st.session_state[_ASKED])


def mirror() -> None:
    """Write the selection into the URL where it differs; other parameters stay."""
    wanted = selection().to_query()
    for key in QUERY_KEYS:
        if key in wanted and st.query_params.get(key) != wanted[key]:
            st.query_params[key] = wanted[key]
        elif key not in wanted and key in st.query_params:
            del st.query_params[key]


def theme() -> Theme:
    """The theme on the visitor's screen; light until the browser has said."""
    return "dark" if st.context.theme.type == "dark" else "light"
