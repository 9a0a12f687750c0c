"""The page Glossary: all terms in alphabetical order, each with an address of its own."""

import streamlit as st

from olmoe_viz.ui import glossary
from olmoe_viz.ui.texts import glossary as texts


def draw() -> None:
    """Draw the page."""
    st.header(texts.TITLE, anchor=False)
    st.caption(texts.EXPLANATION)
    for name in glossary.alphabetical():
        with st.container(key=f"term_{glossary.slug(name)}", gap=None):
            st.subheader(name, anchor=glossary.slug(name))
            st.markdown(glossary.term(name))
