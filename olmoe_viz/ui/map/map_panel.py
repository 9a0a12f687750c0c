"""The routing map with the control of its colors, as the map page shows it."""

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from olmoe_viz.records.effects import Effects
from olmoe_viz.records.expert_uses import recorded_uses
from olmoe_viz.records.trace import Trace
from olmoe_viz.ui.session import answers, cell_effects, engine, on_press, state, url
from olmoe_viz.ui.session.selection import Expert, Selection
from olmoe_viz.ui.session.settings import MapSettings, Range
from olmoe_viz.ui.texts import map as texts
from olmoe_viz.ui.widgets import origin
from olmoe_viz.ui.widgets.message import refusal
from olmoe_viz.ui.widgets.routing_map import VIEWS, MapEvent, View, routing_map


def _pick(event: MapEvent) -> None:
    """A pick in the map selects its cell for the whole application, and maybe a range."""
    state.change(token=event.token, layer=event.layer)
    marked = None
    if event.last_token is not None and event.last_layer is not None:
        marked = Range(event.token, event.layer, event.last_token, event.last_layer)
    url.keep(replace(url.current(MapSettings), marked=marked))


def marked_range(trace: Trace) -> Range | None:
    """The range marked in the map, as far as the trace goes, while its first cell is selected.

    Its layers count all blocks of the model.
    """
    marked, chosen = url.current(MapSettings).marked, state.selection()
    if marked is None or marked[:2] != (chosen.token, chosen.layer):
        return None
    layer_ids, tokens = trace.geometry.layer_ids, len(trace.tokens)
    if marked.token >= tokens or marked.layer not in layer_ids:
        return None
    return marked._replace(
        last_token=min(marked.last_token, tokens - 1),
        last_layer=max(layer for layer in layer_ids if layer <= marked.last_layer),
    )


def take_layer(key: str, layer_ids: Sequence[int]) -> None:
    """Callback of a widget: a block without experts leads on to the next layer of them."""
    wanted = st.session_state[key]
    if wanted > state.selection().layer:
        state.change(layer=min(layer for layer in layer_ids if layer >= wanted))
    else:
        state.change(layer=max(layer for layer in layer_ids if layer <= wanted))


def _followed(trace: Trace, chosen: Selection) -> Expert:
    """The expert that is followed: until one is chosen, the strongest of the selected cell."""
    if chosen.expert is not None:
        return chosen.expert
    row = trace.geometry.layer_ids.index(chosen.layer)
    return Expert(chosen.layer, int(trace.expert_ids[row, chosen.token, 0]))


def _pick_expert(trace: Trace, followed: Expert) -> None:
    """Controls of the layer and the id of the expert that is followed."""
    layer_ids = trace.geometry.layer_ids

    def take() -> None:
        layer = next(at for at in layer_ids if at >= st.session_state["follow_layer"])
        state.change(expert=Expert(layer, st.session_state["follow_id"]))

    limits = {
        "follow_layer": (texts.FOLLOWED_LAYER, followed.layer, layer_ids[0], layer_ids[-1]),
        "follow_id": (texts.EXPERT_ID, followed.id, 0, trace.geometry.experts - 1),
    }
    for key, (label, value, low, high) in limits.items():
        st.session_state[key] = value
        st.number_input(label, low, high, key=key, width=120, on_change=take)


def controls(trace: Trace, chosen: Selection) -> None:
    """What names the view, and the expert where one is followed."""
    view = _view(trace)
    st.session_state["view"] = view
    with st.container(horizontal=True, vertical_alignment="bottom", key="map_controls"):
        st.segmented_control(
            texts.COLOR,
            [each for each in VIEWS if each != "effect" or _can_measure(trace)],
            required=True,
            wrap=True,
            format_func=texts.VIEW_NAMES.__getitem__,
            help=texts.VIEW_HELP,
            key="view",
            on_change=url.take,
            args=(MapSettings, "view", "view"),
        )
        if view == "follow":
            _pick_expert(trace, _followed(trace, chosen))
    if view == "effect":
        _measure(trace, chosen)


def _view(trace: Trace) -> View:
    """The view that is chosen, if it can be drawn."""
    view = url.current(MapSettings).view
    return view if view != "effect" or _can_measure(trace) else MapSettings.view


def _can_measure(trace: Trace) -> bool:
    return not engine.records_only() and not answers.from_file(trace)


def _measure(trace: Trace, chosen: Selection) -> None:
    """Measure the chosen token in all layers once a button is pressed, and say what is known."""
    token = chosen.token or 0

    def words(*, known: bool) -> str:
        tokens = [bool(each.any()) for each in cell_effects.of_cells(trace).measured.T]
        return texts.measured(tokens, token, known=known)

    found = on_press.pressed(
        cell_effects.whole_token(trace, token),
        label=texts.MEASURE,
        says=words(known=False),
        key="map_measure",
    )
    if isinstance(found, Effects):
        cell_effects.note(found)
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.caption(words(known=True), width="content")
            origin.badge("live", origin.details(found.provenance, str(trace.policy)))


def draw(trace: Trace, chosen: Selection) -> list[Trace]:
    """The map under the view that is chosen; returns the traces that it was drawn from."""
    settings, held = url.current(MapSettings), marked_range(trace)
    url.mirror(replace(settings, marked=held))
    view, other = _view(trace), None
    if view == "drift":
        other = answers.run(state.selection(), chosen.against_policy)
        if other is None:
            return [trace]
    try:
        routing_map(
            trace,
            policy=trace.policy,
            view=view,
            against=chosen.against_policy,
            other=other,
            expert=_followed(trace, chosen),
            effects=cell_effects.of_cells(trace) if view == "effect" else None,
            uses=recorded_uses(trace.provenance.digest),
            token_bytes=trace.token_bytes,
            message=trace.message,
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
    return [trace, other] if other else [trace]
