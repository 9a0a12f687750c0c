"""A page with nothing but the routing map over random routing.

Query parameters: tokens, view, policy and against (their text forms), live (a word: the map grows,
its second half after another page was opened with this word as go_on), sparse (a word: few layers
of experts, which are not the first ones), text (drawn with its bytes, one a token), token (the
selected one). Used by the browser tests and by the benchmark of the map.
"""

import threading
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from olmoe_viz import Geometry, RoutingPolicy
    from olmoe_viz.ui.widgets.routing_map import Columns

SCRIPT = "tests/browser/routing_map_app.py"
HOSTILE = "<img src=x onerror=alert(1)>"
WORDS = ("Once", " upon", " a", " time", HOSTILE, " there", " was", " a", " little", " robot", "\n")


def random_columns(tokens: int, policy: "RoutingPolicy", geometry: "Geometry") -> "Columns":
    """Routing of so many tokens, the same for the same number."""
    from olmoe_viz.numerics import routing
    from olmoe_viz.ui.widgets.routing_map import Columns

    shape = (len(geometry.layer_ids), tokens, geometry.experts)
    logits = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    ids, weights = routing.select(routing.probabilities(logits), policy, 8)
    words = [WORDS[at % len(WORDS)] for at in range(tokens)]
    return Columns(words, logits, ids.astype(np.int16), weights.astype(np.float32), geometry)


def until(columns: "Columns", end: int) -> "Columns":
    """The first tokens of a text."""
    from olmoe_viz.ui.widgets.routing_map import Columns

    arrays = (columns.router_logits, columns.expert_ids, columns.weights)
    return Columns(columns.tokens[:end], *(each[:, :end] for each in arrays), columns.geometry)


def new_event(word: str) -> threading.Event:
    """What a page waits for and another one says."""
    return threading.Event()


def main() -> None:
    """Draw the page; what was picked stands above the map."""
    from dataclasses import replace

    import streamlit as st

    from olmoe_viz import RoutingPolicy
    from olmoe_viz.numerics.geometry import OLMOE_1B_7B, MoeLayer
    from olmoe_viz.records.tokens import display_token
    from olmoe_viz.ui.widgets import shared_code
    from olmoe_viz.ui.widgets.routing_map import GrowingMap, MapEvent, routing_map

    st.set_page_config(layout="wide")
    shared_code.place()
    st.html("<style>:root { --map-visibility: visible }</style>")  # as the application's stylesheet
    word = st.cache_resource(new_event, max_entries=10)
    if "go_on" in st.query_params:
        word(st.query_params["go_on"]).set()
        st.stop()
    tokens = int(st.query_params.get("tokens", "12"))
    geometry = OLMOE_1B_7B
    if "sparse" in st.query_params:
        few = tuple(MoeLayer(layer, 64, 8, 64) for layer in (1, 3, 4))
        geometry = replace(geometry, moe_layers=few)
    policy = RoutingPolicy.parse(st.query_params.get("policy", "k=8"))
    against = RoutingPolicy.parse(st.query_params.get("against", str(policy)))
    text = st.query_params.get("text", "").encode()
    columns = st.cache_resource(random_columns, max_entries=1)(
        len(text) or tokens, policy, geometry
    )
    split = [bytes([byte]) for byte in text]
    if split:
        columns = replace(columns, tokens=[display_token(byte) for byte in split])

    def take(event: MapEvent) -> None:
        st.session_state.picked = event

    first = MapEvent(int(st.query_params.get("token", "1")), geometry.layer_ids[2])
    event = st.session_state.get("picked", first)
    st.text(f"picked {event.token} {event.layer} {event.last_token} {event.last_layer}")
    if "live" in st.query_params:
        growing = GrowingMap(layer_ids=geometry.layer_ids, key="map")
        for end in range(1, tokens + 1):
            growing.show(until(columns, end), policy=policy, theme="light")
            if end == tokens // 2:
                word(st.query_params["live"]).wait()
    else:
        routing_map(
            columns,
            policy=policy,
            view=st.query_params.get("view", "strongest"),
            against=against,
            expert=(2, 12),
            token_bytes=split or None,
            selected_token=event.token,
            selected_layer=event.layer,
            last_token=event.last_token,
            last_layer=event.last_layer,
            theme="light",
            key="map",
            on_change=take,
        )
    st.button("Again")


if __name__ == "__main__":
    main()
