"""`Follow a token` on a record of another shape: few layers of experts, which are not the first."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from olmoe_viz import Geometry, RoutingPolicy, Trace, routing
from olmoe_viz.engine.recorded import RecordedEngine
from olmoe_viz.figures.labels import k_is
from olmoe_viz.models.catalogue import BUNDLED
from olmoe_viz.numerics.geometry import MoeLayer
from olmoe_viz.requests import TraceRequest
from olmoe_viz.ui.follow import measuring
from olmoe_viz.ui.session import engine
from olmoe_viz.ui.session.selection import EXAMPLE_PROMPT
from tests.ui.follow_page import STEPS, captions, follow, press, texts
from tests.ui.visitor import app

LAYERS = (1, 3, 4)
TIED = LAYERS.index(3)


@pytest.fixture
def trace(
    make_trace: Callable[..., Trace],
    geometry: Geometry,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Trace:
    """All that can be shown, where no model runs: in layer 3 all experts tie."""
    few = tuple(MoeLayer(layer, 24, 4, 24) for layer in LAYERS)
    sizes = replace(geometry, layers=5, experts=24, trained_k=4, moe_layers=few)
    logits = np.random.default_rng(3).normal(size=(3, 6, 24)).astype(np.float32)
    logits[TIED] = 0.0
    policy = RoutingPolicy(8)
    ids, _ = routing.select(routing.probabilities(logits), policy, 4)
    ids[TIED] = np.arange(23, 15, -1)  # not those that a ranking would choose
    made = make_trace(
        policy=policy,
        geometry=sizes,
        request=TraceRequest(BUNDLED, EXAMPLE_PROMPT, policy),
        text=EXAMPLE_PROMPT,
        tokens=tuple("abcdef"),
        token_bytes=tuple(bytes([byte]) for byte in b"abcdef"),
        token_ids=np.arange(6),
        router_logits=logits,
        expert_ids=ids.astype(np.int16),
    )
    made.save(tmp_path / "run.safetensors")
    records = RecordedEngine([tmp_path / "run.safetensors"])
    monkeypatch.setattr(engine, "started", lambda *_: True)
    monkeypatch.setattr(engine, "current", lambda: records)
    monkeypatch.setattr(engine, "bundled", lambda: records)
    monkeypatch.setattr(engine, "records_only", lambda: True)
    return made


@pytest.mark.usefixtures("trace")
def test_the_table_lists_the_experts_that_ran_and_then_what_another_k_adds() -> None:
    test = follow(EXAMPLE_PROMPT, "layer=3&token=2&against=12")
    both, added = (
        list(table.value["expert"]) for table in test.table if "cumulative mass" in table.value
    )
    assert both == [f"3·{expert}" for expert in range(23, 15, -1)]
    assert added == ["3·0", "3·1", "3·2", "3·3"]
    words = captions(test)
    assert f"{k_is(8)} is what ran. For {k_is(12)} you see what this router would choose" in words
    fewer = follow(EXAMPLE_PROMPT, "layer=3&token=2&against=2")
    both, ran = (
        list(table.value["expert"]) for table in fewer.table if "cumulative mass" in table.value
    )
    assert both + ran == [f"3·{expert}" for expert in range(23, 15, -1)]
    assert both == ["3·23", "3·22"]


@pytest.mark.usefixtures("trace")
def test_layers_are_stepped_through_by_their_absolute_ids() -> None:
    test = follow(EXAMPLE_PROMPT, "layer=2&token=2")
    assert "layer 1 (1 to 4)" in texts(test)
    for shown in (3, 4):
        press(test, "layer →")
        assert f"layer {shown} (1 to 4)" in texts(test)
    moves = {button.label: button.disabled for button in test.button}
    assert moves["layer →"]
    assert not moves["← layer"]


@pytest.mark.usefixtures("trace")
def test_where_no_model_runs_the_record_is_shown_and_what_is_missing_is_said() -> None:
    test = app(name="follow")
    assert not test.error
    assert len(test.code) == STEPS
    words = captions(test)
    assert words.count("No model runs here that could compute them.") == 7
    assert "Run the model" not in [button.label for button in test.button]
    (said,) = follow("Nobody has recorded this").error
    assert said.value.startswith("No model runs here")


@pytest.mark.usefixtures("trace")
def test_the_claims_speak_of_the_model_at_hand() -> None:
    words = " ".join(part.value for part in follow(EXAMPLE_PROMPT, "token=2").markdown)
    assert "“The top 4 experts hold half of the router's probability”" in words
    assert " for the top 8, by " in words
    assert f"points, in the run with {k_is(8)}." in words
    assert "“All 24 experts together show the most that the model can do”" in words
    assert f"Below {k_is(24)} native weights sum to less than 1" in words


def test_the_ks_that_are_measured_are_multiples_of_the_trained_one(geometry: Geometry) -> None:
    def ks(experts: int, trained_k: int) -> list[int]:
        return measuring.ks_of(
            replace(geometry, experts=experts, trained_k=trained_k, moe_layers=())
        )

    assert ks(64, 8) == [1, 4, 8, 16, 32, 64]
    assert ks(24, 4) == [1, 2, 4, 8, 16, 24]
    assert ks(8, 1) == [1, 2, 4, 8]
