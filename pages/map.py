"""The map: which expert each token uses in each layer, and one cell of it in full."""

import numpy as np
import streamlit as st

from olmoe_viz.numerics import routing
from olmoe_viz.figures import expert_load, layer_lines, router_bars, strongest_experts
from olmoe_viz.figures.labels import visible
from olmoe_viz.ui import glossary, link, map_panel, navigation, origin, panel, runs, state
from olmoe_viz.ui.page_settings import ORDERS, MapSettings
from olmoe_viz.ui.plot import plot
from olmoe_viz.ui.selection import Selection
from olmoe_viz.ui.text import count


def pick_cell(run: runs.Run, chosen: Selection) -> None:
    """The keyboard's way to a cell; it says the same as a click in the map."""
    tokens = run.trace.tokens
    st.session_state["pick_token"] = chosen.token
    st.session_state["pick_layer"] = chosen.layer
    order = st.session_state["order"] = link.current(MapSettings).order
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        st.selectbox(
            "token",
            range(len(tokens)),
            key="pick_token",
            format_func=lambda at: f"{at}  {visible(tokens[at])}",
            width=280,
            on_change=state.take,
            args=("token", "pick_token"),
        )
        st.number_input(
            "layer",
            0,
            run.trace.geometry.layers - 1,
            key="pick_layer",
            width=140,
            on_change=state.take,
            args=("layer", "pick_layer"),
        )
        st.segmented_control(
            "order of the bars",
            ORDERS,
            required=True,
            key="order",
            on_change=link.take,
            args=(MapSettings, "order", "order"),
            format_func={"probability": "by probability", "expert": "by expert id"}.__getitem__,
        )
    row = routing.probabilities(run.trace.router_logits[chosen.layer, chosen.token])
    plot(
        router_bars.figure(row, k=chosen.k, order=order, theme=state.theme()),
        alt=router_bars.describe(row, k=chosen.k),
        key="bars",
    )


def draw_journey(run: runs.Run, chosen: Selection) -> None:
    """The chosen token through all layers."""
    rows = routing.probabilities(run.trace.router_logits[:, chosen.token])
    names = [f"top {chosen.k}", f"top {chosen.against}"]
    mass = np.vstack([routing.retained_mass(rows, k) for k in (chosen.k, chosen.against)])
    left, right = st.columns(2, gap="large")
    with left:
        st.caption(
            f"The {glossary.link('retained mass')}: what the top experts keep of 1. The rest of "
            "the probability is dropped."
        )
        plot(
            layer_lines.figure(mass, names=names, quantity="retained mass", layer=chosen.layer),
            alt=layer_lines.describe(mass, names=names, quantity="retained mass"),
            key="mass",
        )
    with right:
        st.caption("The strongest expert of each layer, and its probability.")
        plot(
            strongest_experts.figure(rows, layer=chosen.layer, theme=state.theme()),
            alt=strongest_experts.describe(rows),
            key="journey",
        )


def draw_load(run: runs.Run, chosen: Selection) -> None:
    """Layers by experts, over the whole prompt or the range picked in the map."""
    logits, held = run.trace.router_logits, map_panel.marked_range(run)
    words, first = f"the {count(logits.shape[1], 'token')}", 0
    if held is not None:
        first = held.layer
        logits = logits[first : held.last_layer + 1, held.token : held.last_token + 1]
        words = f"tokens {held.token} to {held.last_token} in layers {first} to {held.last_layer}"
    st.caption(
        f"The {glossary.link('load')}: the share of {words} that have an expert among their top "
        f"{chosen.k}. Select a range in the map to take a part of the prompt. The row of dots is "
        "the color of each expert in the map."
    )
    tokens = logits.shape[1]
    load = routing.expert_load(routing.probabilities(logits), chosen.k)
    panel.chart(
        expert_load.figure(load, k=chosen.k, tokens=tokens, first=first, theme=state.theme()),
        alt=expert_load.describe(load, k=chosen.k, tokens=tokens, first=first),
        key="load",
    )


navigation.through_app()
run = runs.current()
if run is not None:
    layers, tokens, experts = run.trace.router_logits.shape
    chosen = state.selection().within(layers, tokens, experts)
    badges = panel.head("Which experts does each token use?", None, level=2)
    st.caption(
        f"Each cell is one {glossary.link('token')} in one {glossary.link('layer')}, where the "
        f"{glossary.link('router')} chooses its {glossary.link('expert')}s. Click or tap a "
        "cell, or use the arrow keys and Enter, and everything below follows."
    )
    drawn_from = map_panel.draw(run, chosen)
    with badges.container(horizontal=True, gap="small"):
        for each in drawn_from:
            origin.badge(*each.origin)
    panel.head("The router's choice for one token in one layer", *run.origin)
    panel.cell(run.trace.tokens[chosen.token], chosen.token, chosen.layer, key="map")
    pick_cell(run, chosen)
    panel.head("This token through the layers", *run.origin)
    draw_journey(run, chosen)
    panel.head("Load of all experts", *run.origin)
    draw_load(run, chosen)
