"""A model for a page: there already, or waited for beside a line that says how far it is."""

import time
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from olmoe_viz.models.catalogue import BUNDLED
from olmoe_viz.ui import state
from olmoe_viz.ui.notice import refusal
from olmoe_viz.ui.shelf import GivenUp, Loading, Shelf
from olmoe_viz.ui.stop import LOOK, stop_button

if TYPE_CHECKING:
    from olmoe_viz.models.load import Model

shelf = Shelf()
_WORDS = {
    True: "Loading the model. The first run takes a few seconds.",
    False: "Loading the model. It is large: the first run can take minutes.",
}
_PATIENCE = 1.0  # seconds until there is something to press


def get_model(name: str, place: DeltaGenerator | None = None) -> "Model | None":
    """The model, or None after a sentence that says why there is none; `place` tells of a wait.

    Only the first call is slow: it imports torch, fetches the weights where they are not there yet,
    and reads them. Meanwhile it says so, and can be stopped.
    """
    if place is None:
        place = st.empty()  # always, so that everything below keeps its place in the page
    found = shelf.find(name)
    while found is None:
        loading = _wait(name, place)
        if isinstance(loading.error, GivenUp):
            continue  # others stopped it just before this visitor came
        if loading.error is not None:
            refusal(_sentence(name, loading.error))
            return None
        found = loading.model
    return found


def _wait(name: str, place: DeltaGenerator) -> Loading:
    """Wait until the model is there or cannot be; whatever ends this early leaves the waiting."""
    loading = shelf.join(name)
    line, later = None, time.monotonic() + _PATIENCE
    try:
        with place.container(), st.spinner(_WORDS[name == BUNDLED], show_time=True):
            while not loading.ended.wait(LOOK):
                if time.monotonic() > later:
                    line = line or _line()
                    _tell(line, loading)
    finally:
        shelf.leave(loading)
    place.empty()
    return loading


def _line() -> DeltaGenerator:
    """A stop button, and beside it the place of a line."""
    with st.container(horizontal=True, vertical_alignment="center"):
        stop_button(partial(state.withdraw, model=BUNDLED))
        return st.empty()


def _tell(line: DeltaGenerator, loading: Loading) -> None:
    if loading.total > loading.arrived:
        words = f"{loading.arrived / 1e9:.1f} of {loading.total / 1e9:.1f} GB downloaded"
        line.progress(loading.arrived / loading.total, text=words)
    else:
        line.caption("Reading the weights.")


def _sentence(name: str, error: Exception) -> str:
    from olmoe_viz.models.load import ModelError

    if isinstance(error, ModelError):
        return str(error)
    return f"{name} cannot be loaded: {str(error) or 'the memory ran out.'}"
