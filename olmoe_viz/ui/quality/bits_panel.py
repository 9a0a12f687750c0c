"""Bits per byte against k for one kind of text or all, and which ks are best."""

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from olmoe_viz.figures import quality_against_k
from olmoe_viz.figures.figure import Figure
from olmoe_viz.figures.marks import Note
from olmoe_viz.figures.quality_against_k import Lines
from olmoe_viz.ui.quality import tables
from olmoe_viz.ui.quality.tables import GEOMETRY
from olmoe_viz.ui.session import state, url
from olmoe_viz.ui.session.settings import QualitySettings
from olmoe_viz.ui.texts import quality as texts
from olmoe_viz.ui.widgets.figure import plot

_DOMAIN = "quality_domain"


def draw() -> None:
    """Two figures, what they say, and the table behind them."""
    table = tables.table("quality")
    domain = _choice()
    rows = table[table["domain"] == domain].sort_values("k")
    ks = [int(k) for k in rows["k"].unique()]
    lines = tables.lines(rows)
    best = {name: tables.equal_to_best(ks, values) for name, values in lines.items()}
    st.caption(texts.bits_per_byte(int(rows["tokens"].iloc[0]), tables.readable(domain)))
    with st.container(key="quality_figures"):
        left, right = st.columns(2, gap="large")
    with left:
        st.caption(f"{texts.NEAR} {texts.best(best['native'], 'native')}")
        plot(_near(ks, lines, best["native"]), key="near")
    with right:
        others = (texts.best(equal, name) for name, equal in best.items() if name != "native")
        st.caption(" ".join((texts.ALL, *others)))
        plot(_figure(ks, lines), key="quality")
    with st.expander(texts.NUMBERS):
        st.table(
            tables.numbers(ks, lines, best),
            border="horizontal",
            hide_index=True,
            alt=texts.TABLE,
        )
        st.download_button(
            texts.DOWNLOAD,
            lambda: table.to_csv(index=False),
            file_name="olmoe-nano-quality.csv",
            mime="text/csv",
        )


def _choice() -> str:
    """The kind of text that the visitor chose."""
    domains = [tables.ALL, *tables.domains()]
    chosen = url.current(QualitySettings).domain
    st.session_state[_DOMAIN] = chosen if chosen in domains else tables.ALL
    domain: str = st.selectbox(
        texts.TEXT,
        domains,
        format_func=tables.readable,
        key=_DOMAIN,
        width=280,
        on_change=url.take,
        args=(QualitySettings, "domain", _DOMAIN),
    )
    url.mirror(QualitySettings(domain))
    return domain


def _near(ks: Sequence[int], lines: Lines, best: Sequence[int]) -> Figure:
    """Native weights from half the trained k on, with a mark at the ks that are equal."""
    near = [at for at, k in enumerate(ks) if k >= GEOMETRY.trained_k // 2]
    bits, low, high = lines["native"]
    drawn = _figure([ks[at] for at in near], {"native": (bits[near], low[near], high[near])})
    if len(best) == 1:
        return drawn
    tops = {k: float(high[ks.index(k)]) for k in best}
    marks = [
        Note("equal", k, top, anchor="middle", shift=(0, -10), color="accent")
        for k, top in tops.items()
    ]
    return replace(drawn, alt=f"{drawn.alt} {texts.equal_ks(best)}", notes=[*drawn.notes, *marks])


def _figure(ks: Sequence[int], lines: Lines) -> Figure:
    return quality_against_k.figure(ks, lines, trained_k=GEOMETRY.trained_k, theme=state.theme())
