"""The selection in force in this browser session, and what the visitor has asked for."""

from dataclasses import replace
from typing import Any

import streamlit as st

from olmoe_viz.figures.palette import Theme
from olmoe_viz.ui.compare.settings import Settings
from olmoe_viz.ui.session import url
from olmoe_viz.ui.session.selection import Selection, entry
from olmoe_viz.ui.session.settings import FollowSettings

_ASKED = "asked"
_WISH = "wish_for_text"
_OFFERED = "offered_a_run"
_STEP = "step_to_open"


def selection() -> Selection:
    """The selection; at the first call of a session, what the URL says."""
    if _ASKED not in st.session_state:
        # A link asks for what it names, and a head of attention is seen only in a run; a bare visit
        # asks for nothing.
        asking = (*Selection.KEYS, *FollowSettings.KEYS)
        st.session_state[_ASKED] = any(key in st.query_params for key in asking)
        st.session_state[_WISH] = url.current(Settings).generate
    return url.current(Selection)


def change(**values: Any) -> None:
    """Change fields of the selection and count it as a wish to see the result."""
    changed = replace(selection(), **values)
    url.keep(changed.with_ks(entry(changed.model).experts))
    st.session_state[_ASKED] = True


def withdraw(**values: Any) -> None:
    """Callback of a stop: change fields, and take back the wish to see a result."""
    change(**values)
    st.session_state[_ASKED] = False
    drop_wish()


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


def wishes_text() -> bool:
    """Whether Run, Generate or a link asks for text that nothing has been done about yet."""
    return bool(st.session_state.get(_WISH, False))


def drop_wish() -> None:
    """Text is being written now, or cannot be; until then a run may be cut short by the next."""
    st.session_state[_WISH] = False


def asked() -> bool:
    """Whether the visitor has asked for anything yet, so that a model may be loaded."""
    selection()
    return bool(st.session_state[_ASKED])


def ask_once() -> None:
    """Ask for a run unless this session has been here before: after a stop it is left alone."""
    selection()
    if not st.session_state.get(_OFFERED, False):
        st.session_state[_OFFERED] = st.session_state[_ASKED] = True


def lead_to_step(step: int) -> None:
    """Callback: Follow shall be shown next, and scroll to this step."""
    st.session_state[_STEP] = step


def leads_to_step() -> bool:
    """Whether a step of Follow is wanted that nobody has shown yet."""
    return _STEP in st.session_state


def opened_step() -> int | None:
    """The step that is wanted, once."""
    step: int | None = st.session_state.pop(_STEP, None)
    return step


def theme() -> Theme:
    """The theme on the visitor's screen; light until the browser has said."""
    return "dark" if st.context.theme.type == "dark" else "light"
