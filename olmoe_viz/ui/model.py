"""The one model of the server: loaded when somebody first runs something, shared, read-only."""

from typing import TYPE_CHECKING

import streamlit as st

from olmoe_viz.ui.notice import refusal

if TYPE_CHECKING:
    from olmoe_viz.models.load import Model


@st.cache_resource(max_entries=1, show_spinner=False)
def _load(name: str) -> "Model":
    from olmoe_viz.models.load import load_model

    return load_model(name)


def get_model(name: str) -> "Model | None":
    """The model, or None after a sentence that says why there is none.

    Only the first call is slow: it imports torch and reads the weights, and says so meanwhile.
    """
    with st.spinner("Loading the model. The first run takes a few seconds.", show_time=True):
        from olmoe_viz.models.load import ModelError

        try:
            return _load(name)
        except ModelError as error:
            sentence = str(error)
    refusal(sentence)
    return None
