"""Asked and mattered: the weights of the experts that ran beside what taking them away changes."""

import streamlit as st

from olmoe_viz.analysis.measured_effects import Measured, measured, rank_correlation
from olmoe_viz.figures import effect_scatter, expert_effects
from olmoe_viz.records.effects import Effects
from olmoe_viz.records.expert_uses import recorded_uses
from olmoe_viz.records.trace import Trace
from olmoe_viz.requests import EffectsRequest
from olmoe_viz.ui.lab import direct_panel
from olmoe_viz.ui.lab.settings import LabSettings
from olmoe_viz.ui.session import answers, cell_effects, state, url
from olmoe_viz.ui.session.on_press import pressed
from olmoe_viz.ui.session.selection import Selection
from olmoe_viz.ui.texts import lab as texts
from olmoe_viz.ui.widgets import origin, panel
from olmoe_viz.ui.widgets.color_key import color_key
from olmoe_viz.ui.widgets.figure import plot


def draw(trace: Trace, chosen: Selection) -> None:
    """Draw the chosen cell, and all layers of the token once somebody has asked for them."""
    badge = panel.head(texts.ASKED_TITLE, None)
    cell = (chosen.layer, chosen.token or 0)
    effects = answers.answer(EffectsRequest(trace.request, (cell,)))
    if isinstance(effects, Effects):
        _note(effects)
        with badge:
            origin.badge("live", origin.details(effects.provenance, str(trace.policy)))
        _cell(effects, trace, chosen.layer)
        direct_panel.draw(effects, trace)
    badge = panel.head(texts.WHOLE_TOKEN, None)
    request = cell_effects.whole_token(trace, chosen.token or 0)
    everywhere = pressed(
        request, label=texts.MEASURE_ALL, says=texts.MEASURE_ALL_SAYS, key="lab_all"
    )
    if isinstance(everywhere, Effects):
        _note(everywhere)
        with badge:
            origin.badge("live", origin.details(everywhere.provenance, str(trace.policy)))
        _token(measured(everywhere), chosen.layer)
        direct_panel.draw_token(everywhere, chosen.layer)


def _note(effects: Effects) -> None:
    """Keep what was measured; the grid above was drawn without it."""
    if cell_effects.note(effects) and url.current(LabSettings).color == "effect":
        st.rerun()


def _cell(effects: Effects, trace: Trace, layer: int) -> None:
    found = measured(effects)
    st.text(texts.of_cell(found))
    st.caption(texts.ASKED)
    uses, ids = recorded_uses(trace.provenance.digest), found.experts.tolist()
    left, right = st.columns(2, gap="large")
    with left:
        weights = expert_effects.figure(
            found.weights,
            ids=ids,
            layer=layer,
            quantity=texts.WEIGHT,
            uses=uses,
            theme=state.theme(),
        )
        plot(weights, key="lab_asked")
    with right:
        mattered = expert_effects.figure(
            found.kl,
            ids=ids,
            layer=layer,
            quantity=texts.EFFECT,
            band=found.band,
            new_tops=found.new_tops,
            uses=uses,
            theme=state.theme(),
        )
        plot(mattered, key="lab_mattered")
    color_key([(layer, expert) for expert in ids], uses, state.theme())


def _token(found: Measured, layer: int) -> None:
    st.text(texts.of_token(found, rank_correlation(found.weights, found.kl)))
    st.caption(texts.SCATTER)
    figure = effect_scatter.figure(
        found.weights,
        found.kl,
        layers=found.layers.tolist(),
        experts=found.experts.tolist(),
        new_tops=found.new_tops,
        ceiling=found.band[1],
        layer=layer,
        theme=state.theme(),
    )
    plot(figure, key="lab_scatter")
