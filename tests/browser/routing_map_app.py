"""A page with nothing but the routing map over random routing.

Query parameters: tokens, view, live (a word: the map grows). Used by the browser tests and by the
benchmark of the map.
"""

import time

import numpy as np
from numpy.typing import NDArray

SCRIPT = "tests/browser/routing_map_app.py"
HOSTILE = "<img src=x onerror=alert(1)>"
WORDS = ("Once", " upon", " a", " time", HOSTILE, " there", " was", " a", " little", " robot", "\n")


def random_logits(tokens: int) -> NDArray[np.float32]:
    """Router logits [16, tokens, 64], the same for the same number of tokens."""
    return np.random.default_rng(0).normal(size=(16, tokens, 64)).astype(np.float32)


def main() -> None:
    """Draw the page; what was picked stands above the map."""
    import streamlit as st

    from olmoe_viz import RoutingPolicy
    from olmoe_viz.numerics.geometry import OLMOE_1B_7B
    from olmoe_viz.ui.routing_map import Columns, GrowingMap, MapEvent, routing_map

    st.set_page_config(layout="wide")
    tokens = int(st.query_params.get("tokens", "12"))
    logits = st.cache_resource(random_logits, max_entries=1)(tokens)
    words = [WORDS[at % len(WORDS)] for at in range(tokens)]
    policy = RoutingPolicy(8)

    def take(event: MapEvent) -> None:
        st.session_state.picked = event

    event = st.session_state.get("picked", MapEvent(1, 2))
    st.text(f"picked {event.token} {event.layer} {event.last_token} {event.last_layer}")
    if "live" in st.query_params:
        growing = GrowingMap(layers=16, key="map")
        for end in range(1, tokens + 1):
            part = Columns(words[:end], logits[:, :end], OLMOE_1B_7B)
            growing.show(part, policy=policy, theme="light")
            time.sleep(0.05)
    else:
        routing_map(
            Columns(words, logits, OLMOE_1B_7B),
            policy=policy,
            view=st.query_params.get("view", "strongest"),
            expert=12,
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
