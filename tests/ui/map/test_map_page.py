"""The map's page on a record of another shape: few layers of experts, which are not the first."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from olmoe_viz import Geometry, RoutingPolicy, Trace, routing
from olmoe_viz.engine.recorded import RecordedEngine
from olmoe_viz.figures.labels import k_is
from olmoe_viz.figures.marks import HOLLOW
from olmoe_viz.models.catalogue import BUNDLED
from olmoe_viz.numerics.geometry import MoeLayer
from olmoe_viz.requests import TraceRequest
from olmoe_viz.ui.session import engine
from olmoe_viz.ui.session.selection import EXAMPLE_PROMPT
from tests.ui.visitor import app, checked, drawn

LAYERS = (1, 3, 4)


@pytest.fixture
def traces(
    make_trace: Callable[..., Trace],
    geometry: Geometry,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> dict[int, Trace]:
    """The records that the application has, by k; in the first all experts of a layer tie."""
    few = tuple(MoeLayer(layer, 24, 4, 24) for layer in LAYERS)
    sizes = replace(geometry, layers=5, experts=24, trained_k=4, moe_layers=few)
    logits = np.random.default_rng(3).normal(size=(3, 11, 24)).astype(np.float32)
    logits[1] = 0.0
    found = {}
    for k in (8, 16):
        policy = RoutingPolicy(k)
        ids, _ = routing.select(routing.probabilities(logits), policy, 4)
        ids[1] = np.arange(23, 23 - k, -1)  # not the ones that a ranking would choose
        found[k] = make_trace(
            policy=policy,
            geometry=sizes,
            request=TraceRequest(BUNDLED, EXAMPLE_PROMPT, policy),
            text=EXAMPLE_PROMPT,
            tokens=tuple("abcdefghijk"),
            token_bytes=tuple(bytes([byte]) for byte in b"abcdefghijk"),
            token_ids=np.arange(11),
            router_logits=logits,
            expert_ids=ids.astype(np.int16),
        )
        found[k].save(tmp_path / f"{k}.safetensors")
    records = RecordedEngine(sorted(tmp_path.iterdir()))
    monkeypatch.setattr(engine, "bundled", lambda: records)
    return found


def figure(test: AppTest, key: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(drawn(test)[key])["figure"]
    return found


def filled(bars: dict[str, Any]) -> set[str]:
    (mark,) = bars["marks"]
    return {name for name, fill in zip(mark["names"], mark["fills"], strict=True) if fill != HOLLOW}


def test_the_page_shows_the_experts_that_ran_not_those_of_a_ranking(
    traces: dict[int, Trace],
) -> None:
    test = app("layer=3&token=2")
    ran = traces[8].expert_ids[1, 2]
    assert filled(figure(test, "bars")) == set(map(str, ran))
    (journey,) = figure(test, "journey")["marks"]
    assert journey["at"] == list(LAYERS)
    assert journey["names"] == [str(expert) for expert in traces[8].expert_ids[:, 2, 0]]
    assert [words for _, words in figure(test, "load")["y"]["ticks"]] == ["1", "3", "4"]
    said = " ".join(caption.value for caption in test.caption)
    assert f"what {k_is(16)} would keep of the same router probabilities" in said
    assert "what another k would choose from the same router probabilities" in said


@pytest.mark.usefixtures("traces")
def test_where_both_ks_are_the_same_there_is_one_line() -> None:
    test = app("k=16&against=16")
    assert [line["name"] for line in figure(test, "mass")["marks"]] == [""]
    assert [note["text"] for note in figure(test, "mass")["notes"]] == ["top 16"]
    assert not any("The dotted line" in caption.value for caption in test.caption)
    assert len(figure(app("k=8&against=16"), "mass")["marks"]) == 2


@pytest.mark.usefixtures("traces")
def test_cutoffs_of_other_ks_are_multiples_of_the_trained_one() -> None:
    notes = [note["text"].split(":")[0] for note in figure(app("layer=1"), "bars")["notes"]]
    assert notes == ["top 4", "top 8", "top 16"]


@pytest.mark.usefixtures("traces")
def test_layers_are_stepped_through_by_their_absolute_ids() -> None:
    test = app("layer=1&token=0")
    for typed, shown in ((2, 3), (2, 1), (4, 4), (3, 3), (2, 1)):
        checked(test.number_input(key="pick_layer").set_value(typed).run())
        assert test.number_input(key="pick_layer").value == shown
        assert test.query_params["layer"] == str(shown)
        assert any(f"layer {shown}" in text.value for text in test.text)


@pytest.mark.usefixtures("traces")
@pytest.mark.parametrize(
    ("marked", "words"),
    [
        ("token=1&layer=3&range=1-3~3-4", "tokens 1 to 3 in layers 3 to 4"),
        ("token=1&layer=1&range=1-3~1-2", "tokens 1 to 3 in layers 1 to 1"),
        ("token=1&layer=1&range=1-3~1-99", "tokens 1 to 3 in layers 1 to 4"),
        ("token=1&layer=2&range=1-3~2-3", "the 11 tokens"),
    ],
)
def test_a_range_ends_at_layers_of_experts(marked: str, words: str) -> None:
    captions = [caption.value for caption in app(marked).caption]
    assert any(f"the share of {words} that have" in caption for caption in captions)


@pytest.mark.usefixtures("traces")
def test_drift_compares_what_both_runs_recorded() -> None:
    test = app("view=drift&layer=1")
    said = [part.value for part in test.markdown if part.value.startswith(":gray-badge")]
    assert said[:2] == [":gray-badge[recorded]"] * 2
    parts = [part.proto for part in test.get("bidi_component")]
    (feed,) = (part for part in parts if part.component_name == "olmoe_viz_routing_feed")
    (data,) = json.loads(feed.json)
    assert (data["layerIds"], data["driftKs"]) == (list(LAYERS), [8, 8, 8])
