"""The tour: a line at the foot of the page that leads a class through the application.

`offer` is the way in, `draw` the line. The stop lives in the session and, as `tour=3`, in the URL;
so do the stops of a teacher who plays others than ours, as `stops=`.
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
from olmoe_viz.ui.tour import own_stops, presenter, quiz
from olmoe_viz.ui.tour.lectern import forget, lectern
from olmoe_viz.ui.tour.own_stops import OwnStops, OwnStopsError
from olmoe_viz.ui.tour.pointer import pointer
from olmoe_viz.ui.tour.stops import STOPS, Stop, number_from
from olmoe_viz.ui.widgets import message
from olmoe_viz.ui.widgets.wording import plain

_HERE = Path(__file__).parent
LENGTH = len(STOPS)
_NUMBER, _OWN = "tour", "stops"
_TURNED, _PLAYED, _PROBLEMS = "tour_turned", "tour_own_stops", "tour_problems"


def offer() -> None:
    """The button that begins the tour."""
    st.button(texts.BEGIN, key="tour_begin", type="tertiary", on_click=begin)


def begin(own: OwnStops | None = None) -> None:
    """Callback: go to the first stop, of ours or of a teacher's own."""
    forget()
    st.session_state[_PLAYED] = own
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
    for problem in st.session_state.pop(_PROBLEMS, ()):
        message.refusal(problem)
    number: int | None = st.session_state[_NUMBER]
    if number is None:
        st.query_params.pop(_NUMBER, None)
        st.query_params.pop(_OWN, None)
        return
    stop = _stops()[number - 1]
    if st.session_state.pop(_TURNED, False) and (page.url_path or "map") != stop.page:
        # Named parameters replace all others; without them Streamlit refuses to drop bound ones.
        st.switch_page(f"pages/{stop.page}.py", query_params=_in_url(number))
    for name, value in _in_url(number).items():
        st.query_params[name] = value
    st.html(_HERE / "tour.css")
    with st.bottom, st.container(key="tour", gap="small"):
        _stop(stop, number)


def _follow_link() -> None:
    """A link with the stops alone opens one; one that says more shows what it says."""
    if _OWN in st.query_params:
        _read_own(st.query_params[_OWN])
    number = number_from(st.query_params.get(_NUMBER, ""), len(_stops()))
    if number is None and _played() is not None:
        number = 1
    st.session_state[_NUMBER] = number
    if number is not None and set(st.query_params) <= {_NUMBER, _OWN, "present"}:
        _turn(number)


def _read_own(link: str) -> None:
    try:
        st.session_state[_PLAYED] = own_stops.from_link(link, entry(state.selection().model))
    except OwnStopsError as error:
        st.session_state[_PROBLEMS] = error.problems
        st.query_params.pop(_NUMBER, None)


def _in_url(number: int) -> dict[str, str]:
    own = _played()
    link = own.link if own is not None else None
    return {_NUMBER: str(number)} | ({_OWN: link} if link is not None else {})


def _played() -> OwnStops | None:
    played: OwnStops | None = st.session_state.get(_PLAYED)
    return played


def _stops() -> tuple[Stop, ...]:
    """What is played, as it is told on the visitor's model."""
    own, model = _played(), entry(state.selection().model)
    return own.stops if own is not None else tuple(stop.on(model) for stop in STOPS)


def _turn(number: int) -> None:
    """Go to a stop: what it selects is in force, and its page is shown next."""
    stop = _stops()[number - 1]
    state.change(**vars(replace(stop.selection, model=state.selection().model)))
    st.session_state["draft"] = stop.selection.prompt
    url.keep(replace(url.current(MapSettings), view=stop.view))
    st.session_state[_NUMBER] = number
    st.session_state[_TURNED] = True


def _leave() -> None:
    st.session_state[_NUMBER] = st.session_state[_PLAYED] = None


def _stop(stop: Stop, number: int) -> None:
    with st.container(key="tour_stop", horizontal=True, vertical_alignment="top", gap="medium"):
        with st.container(key="tour_words", gap="xsmall"):
            st.subheader(plain(stop.title), anchor=False)
            st.markdown(plain(stop.text))
            if stop.words:
                st.caption("Words: " + ", ".join(glossary.link(word) for word in stop.words))
        with st.container(
            key="tour_moves", horizontal=True, vertical_alignment="center", width="content"
        ):
            _move(texts.BACK, number - 1)
            st.caption(texts.position(number, len(_stops())), width="content")
            if number < len(_stops()):
                _move(texts.NEXT, number + 1)
                st.button(texts.LEAVE, key="tour_leave", type="tertiary", on_click=_leave)
            else:
                st.button(texts.FINISH, key="tour_finish", on_click=_leave)
    if stop.question is not None:
        own = _played()
        quiz.ask(stop.question, key=f"tour_guess_{number}{own.digest if own else ''}")
    if presenter.on():
        lectern(back=f"tour_{texts.BACK}", forth=f"tour_{texts.NEXT}")
    pointer(stop.target, stop=number, present=presenter.on())


def _move(label: str, number: int) -> None:
    exists = 1 <= number <= len(_stops())
    st.button(label, key=f"tour_{label}", on_click=_turn, args=(number,), disabled=not exists)
