"""What is done to the experts: the grid that is clicked, its tools, and the list of it all."""

from collections.abc import Callable
from dataclasses import replace

import streamlit as st

from olmoe_viz.figures.labels import expert_name
from olmoe_viz.interventions import LOST_MASS, Intervention
from olmoe_viz.numerics import routing
from olmoe_viz.records.trace import Trace
from olmoe_viz.ui.lab.expert_grid import expert_grid
from olmoe_viz.ui.lab.settings import COLORS, HANDS, LabSettings
from olmoe_viz.ui.session import cell_effects, state, url
from olmoe_viz.ui.session.selection import Selection
from olmoe_viz.ui.texts import lab as texts

_LISTED = 24  # interventions with a button of their own


def draw(trace: Trace, chosen: Selection, settings: LabSettings, *, measures: bool) -> None:
    """Draw tools, grid and list; a click on an expert does to it what the tools say.

    The grid can have the color of effects where the page `measures` them.
    """
    st.caption(texts.AWAY)
    _tools(settings, measures=measures)
    token = chosen.token or 0
    effects = _effects(trace, token) if measures and settings.color == "effect" else None
    expert_grid(
        routing.probabilities(trace.router_logits[:, token]),
        trace.expert_ids[:, token],
        effects=effects,
        done=_signs(settings, trace),
        layer_ids=trace.geometry.layer_ids,
        layer=chosen.layer,
        theme=state.theme(),
        on_pick=_click,
        key="expert_grid",
    )
    if effects is not None:
        st.caption(texts.grid_of_effects(list(effects.values())))
    _by_name(trace, chosen, settings)
    _list(settings)


def _click(layer: int, expert: int) -> None:
    url.keep(url.current(LabSettings).clicked(layer, expert))


def _effects(trace: Trace, token: int) -> dict[tuple[int, int], float]:
    """What this session has measured of the token's experts."""
    return {
        (layer, expert): kl
        for layer in trace.geometry.layer_ids
        for expert, kl in cell_effects.of_experts(trace, layer, token).items()
    }


def _tools(settings: LabSettings, *, measures: bool) -> None:
    st.session_state["lab_hand"], st.session_state["lab_push"] = settings.hand, settings.push
    st.session_state["lab_mass"] = settings.lost_mass
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        st.segmented_control(
            texts.HAND,
            HANDS,
            required=True,
            wrap=True,
            format_func=texts.HAND_NAMES.__getitem__,
            help=texts.HAND_HELP,
            key="lab_hand",
            on_change=url.take,
            args=(LabSettings, "hand", "lab_hand"),
        )
        if settings.hand == "bias":
            st.slider(
                texts.PUSH,
                -8.0,
                8.0,
                step=0.5,
                key="lab_push",
                width=240,
                on_change=url.take,
                args=(LabSettings, "push", "lab_push"),
            )
        st.segmented_control(
            texts.MASS,
            LOST_MASS,
            required=True,
            help=texts.MASS_HELP,
            key="lab_mass",
            on_change=url.take,
            args=(LabSettings, "lost_mass", "lab_mass"),
        )
        if measures:
            st.session_state["lab_color"] = settings.color
            st.segmented_control(
                texts.COLOR,
                COLORS,
                required=True,
                help=texts.COLOR_HELP,
                key="lab_color",
                on_change=url.take,
                args=(LabSettings, "color", "lab_color"),
            )


def _signs(settings: LabSettings, trace: Trace) -> dict[tuple[int, int], str]:
    return {
        (layer, expert): texts.SIGNS[each.what]
        for each in settings.interventions
        for layer in trace.geometry.layer_ids
        if each.acts_in(layer)
        for expert in each.experts
    }


def _by_name(trace: Trace, chosen: Selection, settings: LabSettings) -> None:
    """The experts that ran in the chosen cell, each of which can be pressed."""
    layer = chosen.layer
    row = trace.geometry.layer_ids.index(layer)
    ran = [int(each) for each in trace.expert_ids[row, chosen.token or 0] if each >= 0]
    done = _signs(settings, trace)
    held = [expert for expert in ran if (layer, expert) in done]
    st.session_state["lab_ran"] = held

    def take() -> None:
        for expert in set(st.session_state["lab_ran"]) ^ set(held):
            _click(layer, expert)

    st.pills(
        texts.BY_NAME,
        ran,
        selection_mode="multi",
        format_func=lambda expert: expert_name(expert, layer),
        key="lab_ran",
        on_change=take,
    )


def _list(settings: LabSettings) -> None:
    if not settings.interventions:
        return
    with st.container(horizontal=True, gap="small", key="lab_done"):
        for each in settings.interventions[:_LISTED]:
            st.button(
                texts.done(each),
                icon=":material/close:",
                key=f"lab_back_{each}",
                on_click=_back(each),
            )
        st.button(texts.CLEAR, key="lab_clear", type="tertiary", on_click=_clear)


def _back(intervention: Intervention) -> Callable[[], None]:
    def take_back() -> None:
        url.keep(url.current(LabSettings).without(intervention))

    return take_back


def _clear() -> None:
    url.keep(replace(url.current(LabSettings), interventions=()))
