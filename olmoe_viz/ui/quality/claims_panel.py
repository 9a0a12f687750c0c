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


def draw() -> None:
    """Verdicts beside what others published, then the figures."""
    claims = load()
    panel.head(texts.TITLE, "recorded", texts.where(claims, BUNDLED))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(texts.INTRODUCTION, width="content")
        sources = ", ".join(dict.fromkeys(each.source for each in claims.quoted))
        origin.badge("quoted", sources)
    st.table(table(claims), border="horizontal", hide_index=True, alt=texts.TITLE)
    for claim, setting in texts.SETTINGS.items():
        st.markdown(f"**{texts.CLAIMS[claim]}**: {texts.answer(claim, claims)[1]}")
        plot(
            claim_lines.figure(
                *lines(claim, claims),
                setting=setting,
                quantity=texts.RANK_CORRELATION if claim == "weight" else texts.MORE_BITS,
                theme=state.theme(),
            ),
            key=f"claim_{claim}",
        )


def table(claims: Claims) -> dict[str, list[str]]:
    """The table by column: claim, what was found, verdict and what is quoted."""
    answers = [texts.answer(claim, claims) for claim in texts.CLAIMS]
    return {
        texts.CLAIM: list(texts.CLAIMS.values()),
        texts.HERE: [found for found, _ in answers],
        texts.VERDICT: [verdict for _, verdict in answers],
        texts.QUOTED: [texts.quoted(claim, claims) for claim in texts.CLAIMS],
    }


def lines(claim: Claim, claims: Claims) -> tuple[list[str], dict[str, Values]]:
    """Settings of a claim in their order, and by the name of a rule values with their intervals."""
    figures = [each for each in claims.of(claim) if each.setting != "all"]
    settings = list(dict.fromkeys(each.setting for each in figures))
    found = {}
    for rule in dict.fromkeys(each.rule for each in figures):
        own = [each for each in figures if each.rule == rule]
        values = tuple([getattr(each, name) for each in own] for name in ("value", "low", "high"))
        found[texts.LINES[rule]] = values
    return settings, found
