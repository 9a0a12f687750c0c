"""The map: which expert each token uses in each layer, and one cell of it in full."""

import numpy as np
import streamlit as st

from olmoe_viz.figures import expert_load, layer_lines, router_bars, strongest_experts
from olmoe_viz.figures.labels import visible
from olmoe_viz.numerics import routing
from olmoe_viz.records.trace import Trace
from olmoe_viz.ui import glossary
from olmoe_viz.ui.frame import navigation
from olmoe_viz.ui.map import map_panel
from olmoe_viz.ui.session import answers, state, url
from olmoe_viz.ui.session.selection import Selection
from olmoe_viz.ui.session.settings import ORDERS, MapSettings
from olmoe_viz.ui.widgets import origin, panel
from olmoe_viz.ui.widgets.figure import plot
from olmoe_viz.ui.widgets.wording import count


def pick_cell(trace: Trace, chosen: Selection, row: int) -> None:
    """The keyboard's way to a cell; it says the same as a click in the map."""
    tokens, layer_ids = trace.tokens, trace.geometry.layer_ids
    st.session_state["pick_token"] = chosen.token
    st.session_state["pick_layer"] = chosen.layer
    order = st.session_state["order"] = url.current(MapSettings).order
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
            layer_ids[0],
            layer_ids[-1],
            key="pick_layer",
            width=140,
            on_change=map_panel.take_layer,
            args=("pick_layer", layer_ids),
        )
        st.segmented_control(
            "order of the bars",
            ORDERS,
            required=True,
            key="order",
            on_change=url.take,
            args=(MapSettings, "order", "order"),
            format_func={"probability": "by probability", "expert": "by expert id"}.__getitem__,
        )
    probabilities = routing.probabilities(trace.router_logits[row, chosen.token])
    ran, trained_k = trace.expert_ids[row, chosen.token], trace.geometry.trained_k
    st.caption(
        "The filled bars are the experts that ran. A dotted line shows what another k would choose "
        "from the same router probabilities."
    )
    plot(
        router_bars.figure(
            probabilities,
            expert_ids=ran,
            marks=(trained_k, 2 * trained_k, 4 * trained_k),
            order=order,
            theme=state.theme(),
        ),
        alt=router_bars.describe(probabilities, expert_ids=ran),
        key="bars",
    )


def draw_journey(trace: Trace, chosen: Selection) -> None:
    """The chosen token through all layers."""
    rows = routing.probabilities(trace.router_logits[:, chosen.token])
    ran, layer_ids = trace.expert_ids[:, chosen.token], trace.geometry.layer_ids
    mass = np.vstack([routing.mass(rows, ran), routing.retained_mass(rows, chosen.against)])
    names, quantity = [f"top {chosen.k}", f"top {chosen.against}"], "retained mass"
    left, right = st.columns(2, gap="large")
    with left:
        st.caption(
            f"The {glossary.link('retained mass')}: what the top experts keep of 1. The rest of "
            f"the probability is dropped. The dotted line is what k = {chosen.against} would keep "
            "of the same router probabilities."
        )
        plot(
            layer_lines.figure(
                mass, names=names, quantity=quantity, layer_ids=layer_ids, layer=chosen.layer
            ),
            alt=layer_lines.describe(mass, names=names, quantity=quantity, layer_ids=layer_ids),
            key="mass",
        )
    with right:
        st.caption("The strongest expert of each layer, and its probability.")
        plot(
            strongest_experts.figure(
                ran, rows, layer_ids=layer_ids, layer=chosen.layer, theme=state.theme()
            ),
            alt=strongest_experts.describe(ran, rows, layer_ids=layer_ids),
            key="journey",
        )


def draw_load(trace: Trace, chosen: Selection) -> None:
    """Layers by experts, over the whole prompt or the range picked in the map."""
    ids, layer_ids = trace.expert_ids, trace.geometry.layer_ids
    held = map_panel.marked_range(trace)
    words = f"the {count(len(trace.tokens), 'token')}"
    if held is not None:
        rows = slice(layer_ids.index(held.layer), layer_ids.index(held.last_layer) + 1)
        ids, layer_ids = ids[rows, held.token : held.last_token + 1], layer_ids[rows]
        place = f"layers {held.layer} to {held.last_layer}"
        words = f"tokens {held.token} to {held.last_token} in {place}"
    st.caption(
        f"The {glossary.link('load')}: the share of {words} that have an expert among their top "
        f"{chosen.k}. Select a range in the map to take a part of the prompt. The row of dots is "
        "the color of each expert in the map."
    )
    tokens, load = ids.shape[1], routing.load(ids, trace.geometry.experts)
    panel.chart(
        expert_load.figure(load, tokens=tokens, layer_ids=layer_ids, theme=state.theme()),
        alt=expert_load.describe(load, tokens=tokens, layer_ids=layer_ids),
        key="load",
    )


navigation.through_app()
trace = answers.current()
if trace is not None:
    chosen = state.selection().within(trace.geometry, len(trace.tokens))
    source, row = answers.where(trace), trace.geometry.layer_ids.index(chosen.layer)
    badges = panel.head("Which experts does each token use?", None, level=2)
    st.caption(
        f"Each cell is one {glossary.link('token')} in one {glossary.link('layer')}, where the "
        f"{glossary.link('router')} chooses its {glossary.link('expert')}s. Click or tap a "
        "cell, or use the arrow keys and Enter, and everything below follows."
    )
    drawn_from = map_panel.draw(trace, chosen)
    with badges.container(horizontal=True, gap="small"):
        for each in drawn_from:
            origin.badge(*answers.where(each))
    panel.head("The router's choice for one token in one layer", *source)
    panel.cell(trace.tokens[chosen.token], chosen.token, chosen.layer, key="map")
    pick_cell(trace, chosen, row)
    panel.head("This token through the layers", *source)
    draw_journey(trace, chosen)
    panel.head("Load of all experts", *source)
    draw_load(trace, chosen)
