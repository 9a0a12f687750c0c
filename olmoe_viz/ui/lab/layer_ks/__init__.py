"""A small slider a layer, for its number of experts: the browser's own, so that keys move them."""

from collections.abc import Callable, Sequence
from pathlib import Path

import streamlit as st

from olmoe_viz.ui.texts import lab_fewer as texts
from olmoe_viz.ui.widgets.component import component

_component = component(
    "layer_ks",
    Path(__file__).parent,
    "ks.js",
    html='<div class="ks" role="group"></div>',
    css="ks.css",
)


def layer_ks(
    ks: Sequence[int],
    *,
    stops: Sequence[int],
    trained_k: int,
    layer_ids: Sequence[int],
    on_pick: Callable[[tuple[int, ...]], None],
    key: str,
) -> None:
    """Place the sliders.

    Args:
        ks: of the layers, each one of `stops`, [layers].
        stops: the numbers that a slider has, rising.
        trained_k: a k that differs from it stands out.
        layer_ids: the layers, counted over all blocks, [layers].
        on_pick: takes all ks, before the script runs again.
        key: unique on the page.
    """

    def picked() -> None:
        value = st.session_state[key].get("pick")
        if isinstance(value, list) and len(value) == len(ks) and all(k in stops for k in value):
            on_pick(tuple(int(k) for k in value))

    _component(
        key=key,
        data={
            "label": texts.KS,
            "stops": list(stops),
            "trained": trained_k,
            "layers": [
                {"layer": layer, "name": texts.k_of(layer), "k": k}
                for layer, k in zip(layer_ids, ks, strict=True)
            ],
            "said": texts.EXPERTS,
        },
        on_pick_change=picked,
    )
