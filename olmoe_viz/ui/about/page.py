"""The page About: what the application shows, what k costs, and what it cannot tell."""

import streamlit as st

from olmoe_viz import settings
from olmoe_viz.models.offered import offered
from olmoe_viz.numerics.costs import active_parameters, bytes_per_token, total_parameters
from olmoe_viz.numerics.geometry import OLMOE_1B_7B
from olmoe_viz.settings import Settings
from olmoe_viz.ui.texts import about as texts
from olmoe_viz.ui.widgets import panel
from olmoe_viz.ui.widgets.wording import billions, plain

_KS = (1, 4, 8, 16, 32, 64)


def draw() -> None:
    """Draw the page."""
    st.header(texts.TITLE, anchor=False)
    st.markdown(texts.WHAT_THIS_IS)
    st.markdown(texts.ORIGINS)
    panel.head(texts.COSTS, "derived", texts.COSTS_DETAILS)
    st.table(costs_table(), border="horizontal", hide_index=True, width="content", alt=texts.COSTS)
    with st.container(horizontal=True, gap="medium"):
        st.page_link("pages/quality.py", label=texts.TO_QUALITY)
        st.page_link("pages/glossary.py", label=texts.TO_GLOSSARY)
    st.subheader(texts.SETTINGS_TITLE, anchor=False)
    st.caption(texts.SETTINGS_SOURCE)
    st.table(
        settings_table(settings.current()),
        border="horizontal",
        hide_index=True,
        width="content",
        alt=texts.SETTINGS_TITLE,
    )
    for title, words in texts.PARTS.items():
        st.subheader(title, anchor=False)
        st.markdown(words)


def costs_table() -> dict[str, list[str]]:
    """What a token of the real OLMoE costs for each k, by formula."""
    total = total_parameters(OLMOE_1B_7B)
    return {
        texts.K: list(map(str, _KS)),
        texts.ACTIVE: [billions(active_parameters(OLMOE_1B_7B, k)) for k in _KS],
        texts.SHARE: [f"{active_parameters(OLMOE_1B_7B, k) / total:.1%}" for k in _KS],
        texts.READ: [f"{bytes_per_token(OLMOE_1B_7B, k) / 1e9:.2f} GB" for k in _KS],
    }


def settings_table(chosen: Settings) -> dict[str, list[str]]:
    """What the operator has set: no token, no address, no path and no name of a person."""
    people = {settings.EVERYONE: texts.EVERYBODY}
    told = {
        "models": ", ".join(plain(entry.title) for entry in offered()),
        "loaders": people.get(chosen.loaders, texts.SOME_PEOPLE),
        "visitors": people.get(chosen.visitors, texts.SOME_PEOPLE),
        "engine": texts.ENGINES.get(chosen.engine, texts.ELSEWHERE),
        "runs": texts.THERE if chosen.runs else texts.NONE,
    }
    return {
        texts.SETTING: list(texts.SETTINGS.values()),
        texts.VALUE: [told.get(name) or f"{getattr(chosen, name):,}" for name in texts.SETTINGS],
    }
