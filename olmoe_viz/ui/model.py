"""The models of the server: loaded when somebody first runs something, shared, read-only.

The bundled model has a slot of its own and stays. All other models share a second slot of one.
"""

from threading import Lock
from typing import TYPE_CHECKING

import streamlit as st

from olmoe_viz.models.catalogue import BUNDLED
from olmoe_viz.ui.notice import refusal

if TYPE_CHECKING:
    from olmoe_viz.models.load import Model

_one_at_a_time = Lock()  # two large models are never read at once


@st.cache_resource(max_entries=1, show_spinner=False)
def _bundled() -> "Model":
    from olmoe_viz.models.load import load_model

    return load_model(BUNDLED)


@st.cache_resource(max_entries=1, show_spinner=False)
def _other(name: str) -> "Model":
    from olmoe_viz.models.load import load_model
    from olmoe_viz.models.memory import release_memory

    # The cache would hold the model before this one until this one is whole, which takes both.
    _other.clear()
    release_memory()
    return load_model(name)


def get_model(name: str) -> "Model | None":
    """The model, or None after a sentence that says why there is none.

    Only the first call is slow: it imports torch and reads the weights, and says so meanwhile.
    """
    with st.spinner("Loading the model. The first run takes a few seconds.", show_time=True):
        from olmoe_viz.models.load import ModelError

        try:
            return _slot(name)
        except ModelError as error:
            sentence = str(error)
        except (MemoryError, RuntimeError) as error:
            sentence = f"{name} cannot be loaded: {str(error) or 'the memory ran out.'}"
    refusal(sentence)
    return None


def _slot(name: str) -> "Model":
    if name == BUNDLED:
        return _bundled()
    with _one_at_a_time:
        return _other(name)
