"""Sentences that interrupt: what happened, and what to do about it."""

import streamlit as st

from olmoe_viz.ui.widgets.wording import plain


def refusal(sentence: str) -> None:
    """Something was not done. The sentence may carry foreign text and is shown as typed."""
    st.error(plain(sentence), icon=":material/block:")


def note(sentence: str) -> None:
    """Nothing is wrong; this is to be known before one goes on."""
    st.info(plain(sentence), icon=":material/info:")


def hint(sentence: str) -> None:
    """Nothing is wrong; this is what to do next."""
    st.info(plain(sentence), icon=":material/arrow_upward:")
