"""Other routes of equal cost through the chosen cell: was the router right?"""

import numpy as np
import streamlit as st

from olmoe_viz.figures import route_spread
from olmoe_viz.records.patches import Routes
from olmoe_viz.records.trace import Trace
from olmoe_viz.requests import RoutesRequest
from olmoe_viz.ui.session import state
from olmoe_viz.ui.session.on_press import pressed
from olmoe_viz.ui.session.selection import Selection
from olmoe_viz.ui.texts import lab as texts
from olmoe_viz.ui.widgets import origin, panel
from olmoe_viz.ui.widgets.figure import plot


def draw(trace: Trace, chosen: Selection) -> None:
    """Draw the routes of the chosen cell, once somebody has asked for them."""
    token = chosen.token or 0
    badge = panel.head(texts.ROUTES_TITLE, None)
    found = pressed(
        RoutesRequest(trace.request, chosen.layer, token),
        label=texts.DRAW_ROUTES,
        says=texts.ROUTES,
        key="lab_routes",
    )
    if not isinstance(found, Routes):
        return
    with badge:
        origin.badge("live", origin.details(found.provenance, str(trace.policy)))
    name, ran, changes = found.top_token, found.top_logprob, found.logprob_changes
    if found.next_logprob is not None:
        name, ran, changes = trace.tokens[token + 1], found.next_logprob, found.next_changes
    probabilities = np.exp(ran + changes)
    real = float(np.exp(ran))
    follows = found.next_logprob is not None
    st.text(texts.of_routes(name, real, probabilities.tolist(), follows=follows))
    plot(
        route_spread.figure(probabilities, ran=real, token=name, theme=state.theme()),
        key="lab_route_spread",
    )
