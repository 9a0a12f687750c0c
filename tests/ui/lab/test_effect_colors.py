"""The map and Lab's grid in the color of what was measured, and only of that."""

import base64
import json
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from olmoe_viz import RoutingPolicy
from olmoe_viz.engine.engine import asking
from olmoe_viz.figures.labels import digits
from olmoe_viz.requests import EffectsRequest, TraceRequest
from olmoe_viz.ui.session import engine
from olmoe_viz.ui.texts import map as texts
from tests.ui.visitor import app, checked, page


def component(test: AppTest, name: str) -> dict[str, Any]:
    """The data of one of the page's own parts."""
    parts = [part.proto for part in test.get("bidi_component")]
    (one,) = (part for part in parts if part.component_name == f"olmoe_viz_{name}")
    data: dict[str, Any] = json.loads(one.json)[0]
    return data


def test_what_a_press_measures_colors_the_map_and_the_grid() -> None:
    test = app("prompt=Once+upon+a&layer=7&token=1&view=effect&grid=effect")
    assert component(test, "routing_feed")["high"] == 0
    assert any("Nothing is measured of this run yet" in each.value for each in test.caption)
    checked(test.button(key="map_measure").click().run())
    sent = component(test, "routing_feed")
    run = TraceRequest("olmoe-nano", "Once upon a", RoutingPolicy(8), "full")
    cells = tuple((layer, 1) for layer in range(16))
    found = asking(engine.current())(EffectsRequest(run, cells, controls=False))
    mattered = found.expert_ids[np.arange(16), found.kl.argmax(axis=1)]
    assert list(base64.b64decode(sent["effect"]["experts"])) == mattered.tolist()
    values = np.frombuffer(base64.b64decode(sent["effect"]["values"]), "<f4")
    np.testing.assert_allclose(values, found.kl.max(axis=1), rtol=1e-3, atol=1e-6)
    assert sent["low"] <= values.min() < values.max() <= sent["high"]
    assert any(each.value.startswith("Measured so far: token 1.") for each in test.caption)

    lab = page(test, "lab")
    rows = component(lab, "expert_grid")["rows"]
    colored = [np.flatnonzero([fill != "transparent" for fill in row["fills"]]) for row in rows]
    assert [ids.tolist() for ids in colored] == np.sort(found.expert_ids).tolist()
    assert ", effect " in rows[7]["words"][mattered[7]]
    assert any("128 experts are measured" in each.value for each in lab.caption)
    key = component(lab, "expert_grid")["key"]
    assert key["high"] == f"{digits(float(found.kl.max()))} nats of KL"


def test_where_nothing_can_be_measured_the_view_is_not_offered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine, "records_only", lambda: True)
    test = app("view=effect")
    assert texts.VIEW_NAMES["effect"] not in test.segmented_control(key="view").options
    assert component(test, "routing_feed")["view"] == "strongest"
