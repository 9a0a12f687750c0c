"""The tour: a line at the foot of the page that leads a class through the application.

`offer` is the way in, `draw` the line. The stop lives in the session and, as `tour=3`, in the URL.
"""

from dataclasses import replace
from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from olmoe_viz.ui import glossary
from olmoe_viz.ui.session import state, url
from olmoe_viz.ui.session.selection import entry
from olmoe_viz.ui.session.settings import MapSettings
from olmoe_viz.ui.texts import tour as texts
from olmoe_viz.ui.tour import presenter, quiz
from olmoe_viz.ui.tour.lectern import forget, lectern
from olmoe_viz.ui.tour.pointer import pointer
from olmoe_viz.ui.tour.stops import STOPS, Stop, number_from

_HERE = Path(__file__).parent
LENGTH = len(STOPS)
_NUMBER = "tour"
_TURNED = "tour_turned"


def offer() -> None:
    """The button that begins the tour."""
    st.button(texts.BEGIN, key="tour_begin", type="tertiary", on_click=begin)


def begin() -> None:
    """Callback: go to the first stop."""
    forget()
    _turn(1)


def runs() -> bool:
    """Whether a stop is shown."""
    return st.session_state.get(_NUMBER) is not None


def draw(page: StreamlitPage) -> None:
    """Draw the stop in force, if any; `app.py` calls this before anything else is drawn.

    A new stop may lie on another page: then the script begins again there.
    """
    presenter.draw()
    if _NUMBER not in st.session_state:
        _follow_link()
    number: int | None = st.session_state[_NUMBER]
    if number is None:
        st.query_params.pop(_NUMBER, None)
        return
    stop = _on_model(number)
    if st.session_state.pop(_TURNED, False) and (page.url_path or "map") != stop.page:
        # Named parameters replace all others; without them Streamlit refuses to drop bound ones.
        st.switch_page(f"pages/{stop.page}.py", query_params={_NUMBER: str(number)})
    st.query_params[_NUMBER] = str(number)
    st.html(_HERE / "tour.css")
    with st.bottom, st.container(key="tour", gap="small"):
        _stop(stop, number)


def _follow_link() -> None:
    """A link with the stop alone opens it; one that says more shows what it says."""
    number = number_from(st.query_params.get(_NUMBER, ""))
    st.session_state[_NUMBER] = number
    if number is not None and set(st.query_params) <= {_NUMBER, "present"}:
        _turn(number)


def _turn(number: int) -> None:
    """Go to a stop: what it selects is in force, and its page is shown next."""
    stop = _on_model(number)
    state.change(**vars(stop.selection))
    st.session_state["draft"] = stop.selection.prompt
    url.keep(replace(url.current(MapSettings), view=stop.view))
    st.session_state[_NUMBER] = number
    st.session_state[_TURNED] = True


def _on_model(number: int) -> Stop:
    return STOPS[number - 1].on(entry(state.selection().model))


def _leave() -> None:
    st.session_state[_NUMBER] = None


def _stop(stop: Stop, number: int) -> None:
    with st.container(key="tour_stop", horizontal=True, vertical_alignment="top", gap="medium"):
        with st.container(key="tour_words", gap="xsmall"):
            st.subheader(stop.title, anchor=False)
            st.markdown(stop.text)
            st.caption("Words: " + ", ".join(glossary.link(word) for word in stop.words))
        with st.container(
            key="tour_moves", horizontal=True, vertical_alignment="center", width="content"
        ):
            _move(texts.BACK, number - 1)
            st.caption(texts.position(number, len(STOPS)), width="content")
            if number < len(STOPS):
                _move(texts.NEXT, number + 1)
                st.button(texts.LEAVE, key="tour_leave", type="tertiary", on_click=_leave)
            else:
                st.button(texts.FINISH, key="tour_finish", on_click=_leave)
    if stop.question is not None:
        quiz.ask(stop.question, key=f"tour_guess_{number}")
    if presenter.on():
        lectern(back=f"tour_{texts.BACK}", forth=f"tour_{texts.NEXT}")
    pointer(stop.target, stop=number, present=presenter.on())


def _move(label: str, number: int) -> None:
    exists = 1 <= number <= len(STOPS)
    st.button(label, key=f"tour_{label}", on_click=_turn, args=(number,), disabled=not exists)
