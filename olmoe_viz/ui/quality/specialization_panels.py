"""Which experts the domains prefer, and how early in training the routers settled."""

import streamlit as st

from olmoe_viz.analysis.saturation import RouterCheckpoints, saturation
from olmoe_viz.figures import domain_experts
from olmoe_viz.figures import saturation as saturation_chart
from olmoe_viz.ui.quality import tables
from olmoe_viz.ui.quality.tables import GEOMETRY
from olmoe_viz.ui.session import state
from olmoe_viz.ui.texts import quality as texts
from olmoe_viz.ui.widgets.color_key import color_key
from olmoe_viz.ui.widgets.figure import plot


def domains() -> None:
    """Which experts of one layer the domains prefer."""
    table = tables.table("experts")
    layers = int(table["layer"].max()) + 1
    layer = min(state.selection().layer, layers - 1)
    st.session_state["domain_layer"] = layer
    st.slider(
        texts.layer(layers),
        0,
        layers - 1,
        key="domain_layer",
        width=420,
        on_change=state.take,
        args=("layer", "domain_layer"),
    )
    names = tables.domains()
    shares = table[table["layer"] == layer][names].to_numpy(float).T
    fair = GEOMETRY.trained_k / shares.shape[1]
    st.caption(texts.domain_preference(GEOMETRY.trained_k, fair))
    plot(
        domain_experts.figure(
            shares,
            [tables.readable(name) for name in names],
            fair=fair,
            layer=layer,
            uses=tables.uses(),
            theme=state.theme(),
        ),
        key="domains",
    )
    experts = range(shares.shape[1])
    color_key([(layer, expert) for expert in experts], tables.uses(), state.theme())


def settled(checkpoints: RouterCheckpoints) -> None:
    """How early in training the choices were final."""
    st.caption(texts.saturation(checkpoints.token_ids.size, GEOMETRY.trained_k))
    plot(
        saturation_chart.figure(
            checkpoints.shares,
            saturation(checkpoints),
            chance=GEOMETRY.trained_k / GEOMETRY.experts,
            layer_ids=GEOMETRY.layer_ids,
            theme=state.theme(),
        ),
        key="saturation",
    )
