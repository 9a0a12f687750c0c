"""Before a large model is fetched: what that takes is said, and the visitor is asked.

Who has agreed is kept for the session. Whatever asks the engine for a model calls `check` first;
its error is drawn by `errors.refuse` as a question with two buttons.
"""

from itertools import count

import streamlit as st

from olmoe_viz import settings
from olmoe_viz.errors import ModelError
from olmoe_viz.models import catalogue
from olmoe_viz.models.catalogue import BUNDLED, Entry, OnDisk
from olmoe_viz.ui.session import engine, sign_in, state
from olmoe_viz.ui.session.selection import entry
from olmoe_viz.ui.texts import frame as texts
from olmoe_viz.ui.widgets.message import note, refusal

_WANTED = "wanted_downloads"
_numbers = count()


class UnconfirmedError(ModelError):
    """A model would have to be fetched, and nobody has agreed to that."""

    def __init__(self, model: Entry, there: OnDisk) -> None:
        super().__init__(texts.refusal(model, there) or texts.question(model, there))
        self.model, self.there = model, there


def check(name: str) -> None:
    """Raise UnconfirmedError for a model that must be fetched first, unless that is agreed.

    ModelError for a large model that this visitor may not load.
    """
    model, agreed = entry(name), st.session_state.get(_WANTED, ())
    if name != BUNDLED and not settings.permits(settings.current().loaders, sign_in.email()):
        raise ModelError(texts.MAY_NOT_LOAD)
    if model.hub_id is None or name in agreed or engine.records_only():
        return
    there = catalogue.on_disk(model)
    if not there.complete:
        raise UnconfirmedError(model, there)


def ask(error: UnconfirmedError) -> None:
    """Say what fetching the model takes, and ask; or say why it cannot be fetched."""
    model, there = error.model, error.there
    if texts.refusal(model, there) is not None:
        refusal(str(error))
        ways_on()
        return
    note(str(error))
    with st.container(horizontal=True, gap="small"):
        st.button(
            texts.download(model, there),
            type="primary",
            key=f"download_{next(_numbers)}",
            on_click=_agree,
            args=(model.name,),
        )
        _back()


def ways_on() -> None:
    """After a model could not be loaded: to try again, or to go on with the bundled one."""
    with st.container(horizontal=True, gap="small"):
        again()
        _back()


def again() -> None:
    """After a refusal that may pass: the same once more."""
    st.button(texts.AGAIN, key=f"again_{next(_numbers)}", on_click=_again)


def stop() -> None:
    """Callback of a stop: back to the bundled model; the next time the visitor is asked again."""
    _forget()
    state.withdraw(model=BUNDLED)


def _back() -> None:
    st.button(texts.BACK, key=f"back_{next(_numbers)}", on_click=_leave)


def _agree(name: str) -> None:
    st.session_state[_WANTED] = {*st.session_state.get(_WANTED, ()), name}
    state.change()
    state.wish_for_text()  # on the page that generates it, that was what the model was wanted for


def _again() -> None:
    state.change()
    state.wish_for_text()


def _leave() -> None:
    _forget()
    state.change(model=BUNDLED)


def _forget() -> None:
    name = state.selection().model
    st.session_state[_WANTED] = set(st.session_state.get(_WANTED, ())) - {name}
