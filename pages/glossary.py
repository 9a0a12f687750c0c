"""The words of the application, in alphabetical order, each with an address of its own."""

import streamlit as st

from olmoe_viz.ui import glossary
from olmoe_viz.ui.frame import navigation

navigation.through_app()
st.header("Glossary", anchor=False)
st.caption("The address of each word is on the sign beside it.")
for name in glossary.alphabetical():
    with st.container(key=f"term_{glossary.slug(name)}", gap=None):
        st.subheader(name, anchor=glossary.slug(name))
        st.markdown(glossary.term(name))
