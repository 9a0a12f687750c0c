"""What docs/trace-format.md says is enough to write a file, without our writer."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from olmoe_viz import RoutingPolicy, Trace
from olmoe_viz.numerics import routing
from olmoe_viz.records.generation import Generation
from olmoe_viz.records.record import Record
from tests.records.files import refused

DOCUMENT = (Path(__file__).parent.parent.parent / "docs/trace-format.md").read_text("utf-8")


@pytest.fixture
def by_hand(tmp_path: Path) -> Path:
    (recipe,) = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    assert "olmoe_viz." not in recipe
    assert "safetensors" not in recipe
    path = tmp_path / "by_hand.safetensors"
    subprocess.run([sys.executable, "-W", "error", "-c", recipe, path], check=True)
    return path


def test_a_file_written_by_the_document_s_recipe_loads(by_hand: Path):
    trace = Trace.load(by_hand)
    assert trace.policy == RoutingPolicy(2)
    assert trace.tokens == ("a", "b")
    assert (trace.score, trace.logits_precision) == ("softmax", "float32")
    assert trace.expert_ids.tolist() == [[[0, 1], [3, 2]]] * 2
    probabilities = routing.probabilities(trace.router_logits)
    expected = np.take_along_axis(probabilities, trace.expert_ids.astype(int), -1)
    np.testing.assert_allclose(trace.weights, expected, rtol=1e-6)


def test_our_writer_keeps_what_was_written_by_hand(by_hand: Path):
    Trace.load(by_hand).save(by_hand.with_name("again"))
    again, first = Trace.load(by_hand.with_name("again")), Trace.load(by_hand)
    assert again.router_logits.tobytes() == first.router_logits.tobytes()
    assert again.provenance == first.provenance


def test_a_file_by_hand_is_checked_too(by_hand: Path):
    whole = by_hand.read_bytes()
    by_hand.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    refused(by_hand, "differs from its checksum")


@pytest.mark.parametrize("kind", [Trace, Generation])
def test_every_fact_and_every_array_is_in_the_document(kind: type[Record], records: list[Record]):
    (record, *_) = [each for each in records if type(each) is kind]
    facts, arrays = record.stored()
    for name in [*facts, *arrays]:
        assert f"`{name.removeprefix('prompt_')}`" in DOCUMENT or f"`{name}`" in DOCUMENT, name
