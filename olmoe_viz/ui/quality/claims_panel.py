"""Claims about taking experts away: a table of verdicts, and a figure of each with settings."""

import streamlit as st

from olmoe_viz.analysis.claims import Claim, Claims, load
from olmoe_viz.figures import claim_lines
from olmoe_viz.figures.claim_lines import Values
from olmoe_viz.models.catalogue import BUNDLED
from olmoe_viz.ui.session import state
from olmoe_viz.ui.texts import effect_claims as texts
from olmoe_viz.ui.widgets import origin, panel
from olmoe_viz.ui.widgets.figure import plot
from olmoe_viz.ui.widgets.wording import plain


def draw() -> None:
    """A table of verdicts, then each claim with its numbers and what others published."""
    claims = load()
    panel.head(texts.TITLE, "recorded", texts.where(claims, BUNDLED))
    st.caption(texts.INTRODUCTION)
    st.table(table(claims), border="horizontal", hide_index=True, width="content", alt=texts.TITLE)
    for claim, words in texts.CLAIMS.items():
        st.space("small")
        st.markdown(f"**{words}**")
        st.caption(texts.answer(claim, claims)[0])
        for each in claims.quoted:
            if each.claim == claim:
                with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                    st.caption(plain(each.words), width="content")
                    origin.badge("quoted", each.source)
        if claim in texts.SETTINGS:
            _figure(claim, claims)


def _figure(claim: Claim, claims: Claims) -> None:
    figure = claim_lines.figure(
        *lines(claim, claims),
        setting=texts.SETTINGS[claim],
        quantity=texts.RANK_CORRELATION if claim == "weight" else texts.MORE_BITS,
        theme=state.theme(),
    )
    plot(figure, key=f"claim_{claim}")


def table(claims: Claims) -> dict[str, list[str]]:
    """The table by column: claim and verdict."""
    verdicts = [texts.answer(claim, claims)[1] for claim in texts.CLAIMS]
    return {texts.CLAIM: list(texts.CLAIMS.values()), texts.VERDICT: verdicts}


def lines(claim: Claim, claims: Claims) -> tuple[list[str], dict[str, Values]]:
    """Settings of a claim in their order, and by the name of a rule values with their intervals."""
    figures = [each for each in claims.of(claim) if each.setting != "all"]
    settings = list(dict.fromkeys(each.setting for each in figures))
    found: dict[str, Values] = {}
    for rule in dict.fromkeys(each.rule for each in figures):
        own = [each for each in figures if each.rule == rule]
        found[texts.line(claim, rule)] = (
            [each.value for each in own],
            [each.low for each in own],
            [each.high for each in own],
        )
    return settings, found
