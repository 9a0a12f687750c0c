"""Measured on held-out text: quality against k, what experts prefer, when routers settled."""

import numpy as np
import streamlit as st

from olmoe_viz.analysis.saturation import (
    RouterCheckpoints,
    load_router_checkpoints,
    saturation,
)
from olmoe_viz.figures import domain_experts, quality_against_k
from olmoe_viz.figures import saturation as saturation_chart
from olmoe_viz.ui import glossary
from olmoe_viz.ui.frame import navigation
from olmoe_viz.ui.quality import quoted, tables
from olmoe_viz.ui.quality.tables import GEOMETRY
from olmoe_viz.ui.session import state, url
from olmoe_viz.ui.session.settings import QualitySettings
from olmoe_viz.ui.widgets import panel


def draw_quality() -> None:
    """Bits per byte against k for one domain or all, and the table behind it."""
    table = tables.table("quality")
    domains = [tables.ALL, *tables.domains()]
    chosen = url.current(QualitySettings).domain
    st.session_state["quality_domain"] = chosen if chosen in domains else tables.ALL
    domain = st.selectbox(
        "text",
        domains,
        format_func=tables.readable,
        key="quality_domain",
        width=280,
        on_change=url.take,
        args=(QualitySettings, "domain", "quality_domain"),
    )
    url.mirror(QualitySettings(domain))
    rows = table[table["domain"] == domain].sort_values("k")
    ks = [int(k) for k in rows["k"].unique()]
    lines = tables.lines(rows)
    tokens = int(rows["tokens"].iloc[0])
    st.caption(
        f"{tokens:,} held-out tokens, {tables.readable(domain)}, in "
        f"{glossary.link('bits per byte')}. One bit less means that every byte of the text is "
        "twice as probable to the model, in the geometric mean. The thin bars are 95% "
        "bootstrap intervals."
    )
    left, right = st.columns(2, gap="large")
    with left:
        st.caption("Native weights from k = 4, where the differences are small.")
        near = [at for at, k in enumerate(ks) if k >= GEOMETRY.trained_k // 2]
        native = {"native": tuple(values[near] for values in lines["native"])}
        _chart([ks[at] for at in near], native, "near")
    with right:
        st.caption("All three weightings from k = 1.")
        _chart(ks, lines, "quality")
    with st.expander("The numbers"):
        st.table(
            tables.numbers(ks, lines),
            border="horizontal",
            hide_index=True,
            alt="Bits per byte by k and weighting",
        )
        st.download_button(
            "Download all domains as CSV",
            lambda: table.to_csv(index=False),
            file_name="olmoe-nano-quality.csv",
            mime="text/csv",
        )


def _chart(ks: list[int], lines: quality_against_k.Lines, key: str) -> None:
    panel.chart(
        quality_against_k.figure(ks, lines, trained_k=GEOMETRY.trained_k, theme=state.theme()),
        alt=quality_against_k.describe(ks, lines, trained_k=GEOMETRY.trained_k),
        key=key,
    )


def draw_domains() -> None:
    """Which experts of one layer the domains prefer."""
    table = tables.table("experts")
    layers = int(table["layer"].max()) + 1
    layer = min(state.selection().layer, layers - 1)
    st.session_state["domain_layer"] = layer
    st.slider(
        "layer",
        0,
        layers - 1,
        key="domain_layer",
        width=420,
        on_change=state.take,
        args=("layer", "domain_layer"),
    )
    domains = tables.domains()
    shares = table[table["layer"] == layer][domains].to_numpy(float).T
    fair = GEOMETRY.trained_k / shares.shape[1]
    st.caption(
        f"The {glossary.link('domain specialization')}: the share of each domain's tokens that "
        f"have the expert among their top {GEOMETRY.trained_k}. By chance it would be {fair:.1%} "
        "everywhere. That an expert is used more for a domain says where it is used, not what it "
        "knows."
    )
    names = [tables.readable(domain) for domain in domains]
    panel.chart(
        domain_experts.figure(shares, names, fair=fair, theme=state.theme()),
        alt=domain_experts.describe(shares, names, layer=layer, fair=fair),
        key="domains",
    )


def draw_saturation(checkpoints: RouterCheckpoints) -> None:
    """How early in training the choices were final."""
    values = saturation(checkpoints)
    tokens, chance = checkpoints.token_ids.size, GEOMETRY.trained_k / GEOMETRY.experts
    layer_ids = GEOMETRY.layer_ids
    st.caption(
        f"The {glossary.link('saturation')} over {tokens:,} fixed held-out tokens: the share of "
        f"the final model's top {GEOMETRY.trained_k} that an earlier checkpoint already chose. "
        "Thin lines are layers, the thick one their mean. The last twelfth of the training is a "
        "phase of its own, in which the routers learn fast and all else slowly; hence the late "
        "rise."
    )
    panel.chart(
        saturation_chart.figure(
            checkpoints.shares, values, chance=chance, layer_ids=layer_ids, theme=state.theme()
        ),
        alt=saturation_chart.describe(checkpoints.shares, np.asarray(values)),
        key="saturation",
    )


navigation.through_app()
st.header("What was measured on held-out text", anchor=False)
with st.container(key="quality_part"):
    panel.head("Does a larger k predict better?", "recorded", tables.where())
    draw_quality()
panel.head("The same question on OLMoE-1B-7B-0924", "quoted", quoted.FROM)
st.caption(f"{quoted.FROM} Lower {glossary.link('perplexity')} is better.")
st.table(quoted.QUALITY, border="horizontal", width="content")
with st.container(key="domains_part"):
    panel.head("Do experts prefer domains?", "recorded", tables.where())
    draw_domains()
checkpoints = load_router_checkpoints()
windows, length = checkpoints.token_ids.shape
panel.head(
    "When did the routers settle?",
    "recorded",
    tables.where(f"held-out text in {windows} windows of {length} tokens, bfloat16 weights"),
)
draw_saturation(checkpoints)
