"""One cell of the map in full: the probabilities of all experts for one token in one layer."""

import streamlit as st

from olmoe_viz.figures import router_bars
from olmoe_viz.numerics import routing
from olmoe_viz.records.expert_uses import recorded_uses
from olmoe_viz.records.trace import Trace
from olmoe_viz.ui.map import map_panel
from olmoe_viz.ui.map.observed_panels import first_token
from olmoe_viz.ui.session import state, url
from olmoe_viz.ui.session.selection import Selection
from olmoe_viz.ui.session.settings import ORDERS, MapSettings, Order
from olmoe_viz.ui.texts import map as texts
from olmoe_viz.ui.widgets import origin, panel
from olmoe_viz.ui.widgets.figure import plot


def draw(trace: Trace, chosen: Selection) -> None:
    """The keyboard's way to a cell, which says the same as a click in the map, and its bars."""
    token, layers = chosen.token or 0, trace.geometry.layer_ids
    panel.cell(trace.tokens[token], token, chosen.layer, layers, key="map")
    order = _pick(trace, chosen)
    row, trained_k = layers.index(chosen.layer), trace.geometry.trained_k
    probabilities = routing.probabilities(trace.router_logits[row, chosen.token])
    ran = trace.expert_ids[row, chosen.token]
    special = first_token(trace, chosen.layer) if token == 0 else None
    if special is not None:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(special, width=720)
            origin.badge("recorded")
    st.caption(texts.BARS)
    plot(
        router_bars.figure(
            probabilities,
            expert_ids=ran,
            marks=(trained_k, 2 * trained_k, 4 * trained_k),
            order=order,
            layer=chosen.layer,
            uses=recorded_uses(trace.provenance.digest),
            theme=state.theme(),
        ),
        key="bars",
    )


def _pick(trace: Trace, chosen: Selection) -> Order:
    """Controls of the token, the layer and the order of the bars, which is returned."""
    order = st.session_state["order"] = url.current(MapSettings).order
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        pick_cell(trace, chosen)
        st.segmented_control(
            texts.ORDER,
            ORDERS,
            required=True,
            key="order",
            on_change=url.take,
            args=(MapSettings, "order", "order"),
            format_func=texts.ORDER_NAMES.__getitem__,
        )
    return order


def pick_cell(trace: Trace, chosen: Selection) -> None:
    """Controls of the token and the layer that are looked at."""
    tokens, layer_ids = trace.tokens, trace.geometry.layer_ids
    st.session_state["pick_token"] = chosen.token
    st.session_state["pick_layer"] = chosen.layer
    st.selectbox(
        texts.TOKEN,
        range(len(tokens)),
        key="pick_token",
        format_func=lambda at: texts.token(at, tokens[at], template=at in trace.template),
        width=280,
        on_change=state.take,
        args=("token", "pick_token"),
    )
    st.number_input(
        texts.layer(layer_ids),
        layer_ids[0],
        layer_ids[-1],
        key="pick_layer",
        width=140,
        on_change=map_panel.take_layer,
        args=("pick_layer", layer_ids),
    )
