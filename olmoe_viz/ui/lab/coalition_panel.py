"""A set of experts of the chosen token that flips the next one, by greedy search."""

from dataclasses import replace
from functools import partial

import numpy as np
import streamlit as st

from olmoe_viz.figures import coalition_steps
from olmoe_viz.interventions import Intervention
from olmoe_viz.records.coalition import Coalition
from olmoe_viz.records.trace import Trace
from olmoe_viz.requests import CoalitionRequest
from olmoe_viz.ui.lab.settings import LabSettings
from olmoe_viz.ui.session import state, url
from olmoe_viz.ui.session.on_press import pressed
from olmoe_viz.ui.session.selection import Selection
from olmoe_viz.ui.texts import lab_coalition as texts
from olmoe_viz.ui.widgets import origin, panel
from olmoe_viz.ui.widgets.figure import plot


def draw(trace: Trace, chosen: Selection, settings: LabSettings) -> None:
    """Draw the search of the chosen token once somebody has asked for it; it can be applied."""
    badge = panel.head(texts.TITLE, None)
    policy = replace(trace.policy, lost_mass=settings.lost_mass)
    found = pressed(
        CoalitionRequest(replace(trace.request, policy=policy), chosen.token or 0),
        label=texts.FIND,
        says=texts.FIND_SAYS,
        key="lab_coalition",
    )
    if not isinstance(found, Coalition):
        return
    with badge:
        origin.badge("live", origin.details(found.provenance, str(policy)))
    st.text(texts.of(found))
    _apply(found, settings)
    st.caption(texts.STEPS)
    figure = coalition_steps.figure(
        np.array([found.margin, *found.margins]),
        members=found.members,
        kept=found.kept,
        tops=(found.top_token, *found.new_top_tokens),
        theme=state.theme(),
    )
    plot(figure, key="lab_coalition_steps")


def _apply(found: Coalition, settings: LabSettings) -> None:
    interventions = found.interventions()
    if settings.interventions == interventions:
        st.caption(texts.APPLIED)
    else:
        st.button(texts.APPLY, key="lab_apply", on_click=partial(_switch_off, interventions))


def _switch_off(interventions: tuple[Intervention, ...]) -> None:
    url.keep(replace(url.current(LabSettings), interventions=interventions))
