"""The routing map with the control of its colors, as the map page shows it."""

from dataclasses import replace

import streamlit as st

from olmoe_viz.ui import glossary, link, runs, state
from olmoe_viz.ui.notice import refusal
from olmoe_viz.ui.page_settings import MapSettings, Range
from olmoe_viz.ui.routing_map import VIEWS, MapEvent, routing_map
from olmoe_viz.ui.selection import Selection

VIEW_NAMES = {
    "strongest": "strongest expert",
    "mass": "retained mass",
    "entropy": "entropy",
    "margin": "margin",
    "drift": "drift",
    "follow": "follow an expert",
}
_HELP = "\n\n".join(
    f"{name}: {glossary.term(name)}" for name in ("retained mass", "entropy", "margin", "drift")
)


def _pick(event: MapEvent) -> None:
    """A pick in the map selects its cell for the whole application, and maybe a range."""
    state.change(token=event.token, layer=event.layer)
    marked = None
    if event.last_token is not None and event.last_layer is not None:
        marked = Range(event.token, event.layer, event.last_token, event.last_layer)
    link.keep(replace(link.current(MapSettings), marked=marked))


def marked_range(run: runs.Run) -> Range | None:
    """The range marked in the map, as far as the trace goes, while its first cell is selected."""
    marked, chosen = link.current(MapSettings).marked, state.selection()
    if marked is None or marked[:2] != (chosen.token, chosen.layer):
        return None
    layers, tokens, _ = run.trace.router_logits.shape
    if marked.token >= tokens or marked.layer >= layers:
        return None
    return marked._replace(
        last_token=min(marked.last_token, tokens - 1), last_layer=min(marked.last_layer, layers - 1)
    )


def draw(run: runs.Run, chosen: Selection) -> list[runs.Run]:
    """The map under the view that its control names; returns the runs that it was drawn from."""
    settings, held = link.current(MapSettings), marked_range(run)
    link.mirror(replace(settings, marked=held))
    view = st.session_state["view"] = settings.view
    with st.container(horizontal=True, vertical_alignment="bottom", key="map_controls"):
        st.segmented_control(
            "color of a cell",
            VIEWS,
            required=True,
            wrap=True,
            format_func=VIEW_NAMES.__getitem__,
            help=_HELP,
            key="view",
            on_change=link.take,
            args=(MapSettings, "view", "view"),
        )
        if view == "follow":
            st.session_state["pick_expert"] = chosen.expert or 0
            st.number_input(
                "expert",
                0,
                run.trace.geometry.experts - 1,
                key="pick_expert",
                width=140,
                on_change=state.take,
                args=("expert", "pick_expert"),
            )
    other = None
    if view == "drift":
        other = runs.run(state.selection(), chosen.against_policy)
        if other is None:
            return [run]
    try:
        routing_map(
            run.trace,
            policy=run.trace.policy,
            view=view,
            against=chosen.against_policy,
            other=other.trace if other else None,
            expert=chosen.expert or 0,
            selected_token=chosen.token,
            selected_layer=chosen.layer,
            last_token=held.last_token if held else None,
            last_layer=held.last_layer if held else None,
            theme=state.theme(),
            key="map",
            on_change=_pick,
        )
    except ValueError as error:
        refusal(str(error))
    return [run, other] if other else [run]
