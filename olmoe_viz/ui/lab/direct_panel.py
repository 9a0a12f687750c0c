"""What experts add to the logit directly, beside what was measured: of a cell, and of a token."""

import numpy as np
import streamlit as st

from olmoe_viz.analysis.attribution import ByLayer, Compared, by_layer, compared
from olmoe_viz.analysis.measured_effects import rank_correlation
from olmoe_viz.figures import direct_scatter, paired_bars
from olmoe_viz.figures.labels import expert_id, expert_name
from olmoe_viz.records.effects import Effects
from olmoe_viz.records.trace import Trace
from olmoe_viz.requests import DirectionsRequest, InspectRequest
from olmoe_viz.ui.session import answers, state
from olmoe_viz.ui.session.errors import TROUBLE, refuse
from olmoe_viz.ui.texts import lab_direct as texts
from olmoe_viz.ui.widgets import origin, panel
from olmoe_viz.ui.widgets.figure import plot


def draw(effects: Effects, trace: Trace) -> None:
    """Draw both for the one cell of the effects; `trace` is their run, with vectors."""
    ((layer, token),) = effects.request.cells
    badge = panel.head(texts.TITLE, None)
    ask, run = answers.asking(st.empty()), trace.request
    try:
        seen = ask(InspectRequest(run, layer, token, (trace.policy,)))
        towards = ask(DirectionsRequest(run, token, (int(effects.top_ids[0]),)))
    except TROUBLE as error:
        refuse(error)
        return
    with badge:
        origin.badge("live", origin.details(towards.provenance, str(trace.policy)))
    top = effects.top_tokens[0]
    left, right = st.columns(2, gap="large")
    with left:
        _experts(compared(effects, [seen], towards), effects, layer, top)
    with right:
        _layers(by_layer(trace, towards), top)
    st.caption(texts.CAPTION)


def draw_token(effects: Effects, chosen: int) -> None:
    """Draw both for all cells of the effects, which are those of one token; `chosen` is a layer."""
    badge = panel.head(texts.EVERYWHERE, None)
    run, token = effects.request.run, effects.request.cells[0][1]
    ask = answers.asking(st.empty())
    try:
        towards = ask(DirectionsRequest(run, token, (int(effects.top_ids[0]),)))
        seen = [
            ask(InspectRequest(run, layer, token, (run.policy,)))
            for layer, _ in effects.request.cells
        ]
    except TROUBLE as error:
        refuse(error)
        return
    with badge:
        origin.badge("live", origin.details(towards.provenance, str(run.policy)))
    found, (cells, columns) = compared(effects, seen, towards), np.nonzero(effects.expert_ids >= 0)
    layers = [effects.request.cells[cell][0] for cell in cells.tolist()]
    experts = effects.expert_ids[cells, columns].tolist()
    names = [expert_name(expert, layer) for expert, layer in zip(experts, layers, strict=True)]
    correlation = rank_correlation(found.direct, found.measured)
    st.text(texts.of_token(found, names, effects.top_tokens[0], correlation))
    st.caption(texts.SCATTER)
    figure = direct_scatter.figure(
        found.direct,
        found.measured,
        layers=layers,
        experts=experts,
        opposite=found.opposite,
        titles=(texts.DIRECT_AXIS, texts.MEASURED_AXIS),
        layer=chosen,
        theme=state.theme(),
    )
    plot(figure, key="lab_direct_scatter")


def _experts(found: Compared, effects: Effects, layer: int, top: str) -> None:
    ids = [int(expert) for expert in effects.expert_ids[0] if expert >= 0]
    names = [expert_name(expert, layer) for expert in ids]
    st.text(texts.of_cell(found, names, top))
    figure = paired_bars.figure(
        np.stack([found.direct, found.measured]),
        things=list(map(str, ids)),
        title=expert_id(layer),
        names=(texts.DIRECT, texts.MEASURED),
        quantity=texts.QUANTITY,
        signs=texts.signs(found),
        theme=state.theme(),
    )
    plot(figure, key="lab_direct")


def _layers(parts: ByLayer, top: str) -> None:
    blocks = range(len(parts.experts))
    st.text(texts.of_layers(parts, top, blocks))
    figure = paired_bars.figure(
        np.stack([parts.attention, parts.experts]),
        things=list(map(str, blocks)),
        title=texts.LAYER,
        names=(texts.ATTENTION, texts.EXPERTS),
        quantity=texts.OF_LAYERS,
        theme=state.theme(),
    )
    plot(figure, key="lab_direct_layers")
