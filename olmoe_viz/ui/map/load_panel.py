"""How often each expert is used, over the whole prompt or the range picked in the map."""

import streamlit as st

from olmoe_viz.figures import expert_load
from olmoe_viz.numerics import routing
from olmoe_viz.records.trace import Trace
from olmoe_viz.ui.map import map_panel
from olmoe_viz.ui.session import state
from olmoe_viz.ui.session.selection import Selection
from olmoe_viz.ui.texts import map as texts
from olmoe_viz.ui.widgets.figure import plot
from olmoe_viz.ui.widgets.wording import count


def draw(trace: Trace, chosen: Selection) -> None:
    """Layers by experts."""
    ids, layer_ids = trace.expert_ids, trace.geometry.layer_ids
    held = map_panel.marked_range(trace)
    part = f"the {count(len(trace.tokens), 'token')}"
    if held is not None:
        rows = slice(layer_ids.index(held.layer), layer_ids.index(held.last_layer) + 1)
        ids, layer_ids = ids[rows, held.token : held.last_token + 1], layer_ids[rows]
        part = texts.part((held.token, held.last_token), (held.layer, held.last_layer))
    st.caption(texts.load(part, chosen.k))
    tokens, load = ids.shape[1], routing.load(ids, trace.geometry.experts)
    plot(
        expert_load.figure(load, tokens=tokens, layer_ids=layer_ids, theme=state.theme()),
        key="load",
    )
