"""The routing map with the control of its colors, as the map page shows it."""

import streamlit as st

from olmoe_viz.ui import glossary, runs, state
from olmoe_viz.ui.notice import refusal
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

_RANGE = "map_range"


def _take(event: MapEvent) -> None:
    """A pick in the map selects its cell for the whole application, and maybe a range."""
    st.session_state.pop(_RANGE, None)
    state.change(token=event.token, layer=event.layer)
    if event.is_range:
        st.session_state[_RANGE] = event


def picked_range(chosen: Selection) -> MapEvent | None:
    """The range that was picked in the map, as long as its first cell is the selection."""
    event: MapEvent | None = st.session_state.get(_RANGE)
    held = event is not None and (event.token, event.layer) == (chosen.token, chosen.layer)
    return event if held else None


def draw(run: runs.Run, chosen: Selection) -> None:
    """The map under the view that its control names."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="map_controls"):
        view = st.segmented_control(
            "color of a cell",
            VIEWS,
            default="strongest",
            required=True,
            wrap=True,
            format_func=VIEW_NAMES.__getitem__,
            help=_HELP,
            key="view",
            bind="query-params",
            persist_state="session",
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
        against = runs.run(state.selection(), chosen.against_policy)
        if against is None:
            return
        other = against.trace
    held = picked_range(chosen)
    try:
        routing_map(
            run.trace,
            policy=run.trace.policy,
            view=view,
            against=chosen.against_policy,
            other=other,
            expert=chosen.expert or 0,
            selected_token=chosen.token,
            selected_layer=chosen.layer,
            last_token=held.last_token if held else None,
            last_layer=held.last_layer if held else None,
            theme=state.theme(),
            key="map",
            on_change=_take,
        )
    except ValueError as error:
        refusal(str(error))
