"""What a browser sends back is a stranger's: only what stands on the page can be picked there."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import streamlit as st

from olmoe_viz.ui.lab import expert_grid, layer_ks
from olmoe_viz.ui.widgets import overview, picker, routing_map
from olmoe_viz.ui.widgets.picker import Cell


def of_grid(on_pick: Callable[..., None]) -> None:
    expert_grid.expert_grid(
        np.full((2, 4), 0.25),
        np.zeros((2, 1), np.int16),
        done={},
        layer_ids=(1, 3),
        layer=1,
        theme="light",
        on_pick=on_pick,
        key="part",
    )


def of_ks(on_pick: Callable[..., None]) -> None:
    layer_ks.layer_ks(
        (8, 8), stops=(1, 8), trained_k=8, layer_ids=(1, 3), on_pick=on_pick, key="part"
    )


def of_picker(on_pick: Callable[..., None]) -> None:
    cells = [Cell(name, "", "") for name in "ab"]
    picker.picker(cells, label="", chosen=0, shape="tokens", on_pick=on_pick, key="part")


def of_overview(on_open: Callable[..., None]) -> None:
    data = {"layerIds": [1, 3]}
    overview.overview(data, here=True, plays=False, on_open=on_open, key="part")


def of_map(on_change: Callable[..., None]) -> None:
    routing_map.GrowingMap(layer_ids=(1, 3), key="part", on_change=on_change)


PARTS = {
    "grid": (expert_grid, of_grid, [3, 2], [(3, 2)]),
    "ks": (layer_ks, of_ks, [1, 8], [((1, 8),)]),
    "picker": (picker, of_picker, 1, [(1,)]),
    "overview": (overview, of_overview, {"step": 1, "layer": 3}, [(1, 3)]),
    "map": (
        routing_map,
        of_map,
        {"token": 5, "layer": 3},
        [(routing_map.MapEvent(5, 3),)],
    ),
}
STRANGE = (
    *(None, "", "../../etc", "1", True, 1.0, float("nan"), -1, 2, 10**30, [], {}, [1], [[1], 2]),
    *([1, 2, 3], [2, 0], [1, -1], [1, 4], ["1", 2], [None, None], [1.0, 2], [True, None]),
    *({"step": 99, "layer": 1}, {"step": 1, "layer": 2}, {"step": "1", "layer": 1}, {"token": 1}),
    *({"token": -1, "layer": 1}, {"token": 1, "layer": "x"}, {"token": True, "layer": 1}),
    {"token": 5, "layer": 1, "lastToken": 1, "lastLayer": 3},
)


@pytest.mark.parametrize("name", PARTS)
def test_only_what_is_there_can_be_picked(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, place, right, told = PARTS[name]
    said: dict[str, Any] = {}
    monkeypatch.setattr(st, "session_state", {"part": said})
    callbacks: list[Callable[[], None]] = []
    picks: list[tuple[Any, ...]] = []

    def mounted(**given: Any) -> dict[str, Any]:
        callbacks.extend(call for key, call in given.items() if key.startswith("on_"))
        return {}

    monkeypatch.setattr(module, "_map" if name == "map" else "_component", mounted)
    place(lambda *picked: picks.append(picked))
    (callback,) = callbacks
    for value in STRANGE:
        said |= {"pick": value, "open": value}
        callback()
    assert picks == []
    said |= {"pick": right, "open": right}
    callback()
    assert picks == told
