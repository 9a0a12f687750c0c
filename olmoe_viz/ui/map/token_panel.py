"""The chosen token through all layers: what its experts keep, and which one is the strongest."""

import numpy as np
import streamlit as st

from olmoe_viz.figures import layer_lines, strongest_experts
from olmoe_viz.numerics import routing
from olmoe_viz.records.expert_uses import recorded_uses
from olmoe_viz.records.trace import Trace
from olmoe_viz.ui.session import state
from olmoe_viz.ui.session.selection import Selection
from olmoe_viz.ui.texts import map as texts
from olmoe_viz.ui.widgets.figure import plot


def draw(trace: Trace, chosen: Selection) -> None:
    """Two figures side by side over the same layers."""
    rows = routing.probabilities(trace.router_logits[:, chosen.token])
    ran, layer_ids = trace.expert_ids[:, chosen.token], trace.geometry.layer_ids
    lines = {texts.top(chosen.k): routing.mass(rows, ran)}
    if chosen.against != chosen.k:
        lines[texts.top(chosen.against)] = routing.retained_mass(rows, chosen.against)
    left, right = st.columns(2, gap="large", vertical_alignment="bottom")
    with left:
        st.caption(texts.retained_mass(chosen.k, chosen.against))
        plot(
            layer_lines.figure(
                np.vstack(list(lines.values())),
                names=list(lines),
                quantity=texts.MASS,
                layer_ids=layer_ids,
                layer=chosen.layer,
            ),
            key="mass",
        )
    with right:
        st.caption(texts.STRONGEST)
        plot(
            strongest_experts.figure(
                ran,
                rows,
                layer_ids=layer_ids,
                layer=chosen.layer,
                uses=recorded_uses(trace.provenance.digest),
                theme=state.theme(),
            ),
            key="journey",
        )
