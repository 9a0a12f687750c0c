"""The runs that come with the package."""

from dataclasses import replace

import numpy as np
import pytest

import olmoe_viz as ov
from olmoe_viz.analysis.stream import stream
from olmoe_viz.engine.recorded import RecordedEngine, bundled_runs
from olmoe_viz.models.model import Model
from olmoe_viz.requests import TraceRequest
from olmoe_viz.ui.frame.frame import EXAMPLES
from training.record import KS, TEXTS


@pytest.fixture(scope="module")
def model() -> Model:
    return ov.load_model("olmoe-nano")


def test_five_texts_at_two_ks_under_3_mb():
    paths = bundled_runs()
    assert {path.stem for path in paths} == {f"{text}-k{k}" for text in TEXTS for k in KS}
    assert len(paths) == 10
    assert sum(path.stat().st_size for path in paths) < 3e6


def test_they_are_what_the_bundled_model_computes(model: Model):
    runs = RecordedEngine(bundled_runs())
    for text in TEXTS.values():
        for k in KS:
            found = runs.kept(TraceRequest("olmoe-nano", text, ov.RoutingPolicy(k)))
            assert isinstance(found, ov.Trace)
            assert found.provenance.digest == model.digest
            now = ov.trace(model, text, ov.RoutingPolicy(k))
            np.testing.assert_array_equal(found.token_ids, now.token_ids)
            np.testing.assert_allclose(found.router_logits, now.router_logits, atol=2e-3)
            np.testing.assert_allclose(found.next_logits, now.next_logits, atol=2e-3)


def test_what_the_parts_of_each_block_add_to_the_first_text_is_recorded(model: Model):
    full = ov.trace(model, TEXTS["story"], ov.RoutingPolicy(8), "full")
    first = RecordedEngine(bundled_runs()).kept(replace(full.request, detail="routing"))
    known, found = stream(first), stream(full)
    for name in ("attention", "between", "experts"):
        np.testing.assert_allclose(getattr(known, name), getattr(found, name), rtol=2e-3, atol=2e-3)
    np.testing.assert_allclose(
        np.linalg.norm(full.hidden_states[-1], axis=-1), full.hidden_norms[-1], rtol=1e-5
    )
    other = RecordedEngine(bundled_runs()).kept(replace(full.request, policy=ov.RoutingPolicy(16)))
    assert other is None or stream(other) is None


def test_the_first_screen_is_among_them():
    runs = RecordedEngine(bundled_runs())
    request = TraceRequest("olmoe-nano", EXAMPLES["Story"], ov.RoutingPolicy(8))
    assert runs.kept(request) is not None
