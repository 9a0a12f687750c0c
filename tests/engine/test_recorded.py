"""Answers from files."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from olmoe_viz import Generation, RoutingPolicy, Trace
from olmoe_viz.engine.engine import asking
from olmoe_viz.engine.recorded import RecordedEngine, bundled_runs, load
from olmoe_viz.errors import MissingError
from olmoe_viz.requests import GenerateRequest, ModelRequest, TraceRequest

ROOT = Path(__file__).parent.parent.parent
EXAMPLE = TraceRequest(
    "olmoe-nano", "Once upon a time there was a little robot who", RoutingPolicy(8)
)


def test_a_request_is_answered_by_the_record_that_was_made_for_it(
    make_trace: Callable[..., Trace], tmp_path: Path
) -> None:
    runs = [make_trace(policy=RoutingPolicy(k)) for k in (1, 2)]
    paths = [tmp_path / f"{k}.safetensors" for k in (1, 2)]
    for run, path in zip(runs, paths, strict=True):
        run.save(path)
    ask = asking(RecordedEngine(paths))
    for run in runs:
        np.testing.assert_array_equal(ask(run.request).expert_ids, run.expert_ids)
    ticket = RecordedEngine(paths).submit(runs[0].request)
    assert ticket.done
    assert ticket.cached
    with pytest.raises(MissingError, match="only recorded runs"):
        ask(TraceRequest("random", "another text", RoutingPolicy(1)))


def test_a_generation_needs_all_its_rows(
    make_generation: Callable[..., Generation], tmp_path: Path
) -> None:
    policies = (RoutingPolicy(1), RoutingPolicy(2))
    request = GenerateRequest("random", "one two", policies, 4)
    paths = []
    for row, policy in enumerate(policies):
        paths.append(tmp_path / f"{row}.safetensors")
        make_generation(policy=policy, request=request, row=row).save(paths[-1])
    assert RecordedEngine(paths[:1]).kept(request) is None
    found = RecordedEngine(reversed(paths)).kept(request)
    assert [generation.row for generation in found] == [0, 1]


def test_what_a_model_is_follows_from_any_record_of_it(tmp_path: Path) -> None:
    facts = asking(RecordedEngine(bundled_runs()))(ModelRequest("olmoe-nano"))
    assert (facts.geometry.layers, facts.geometry.experts, facts.geometry.trained_k) == (16, 64, 8)
    assert facts.capabilities == ()
    with pytest.raises(MissingError):
        asking(RecordedEngine([]))(ModelRequest("olmoe-nano"))


def test_files_that_hold_no_record_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "odd.safetensors"
    path.write_bytes(b"not a record")
    with pytest.raises(ValueError, match=r"odd\.safetensors is not a readable record"):
        load(path)
    with pytest.raises(OSError, match="missing"):
        RecordedEngine([tmp_path / "missing.safetensors"])


def test_the_bundled_records_are_answered_without_torch() -> None:
    """In an interpreter where importing torch or transformers fails."""
    script = (
        "import sys\n"
        "sys.modules['torch'] = sys.modules['transformers'] = None\n"
        "from olmoe_viz.engine.engine import asking\n"
        "from olmoe_viz.engine.recorded import RecordedEngine, bundled_runs\n"
        "from olmoe_viz.requests import from_json\n"
        "ask = asking(RecordedEngine(bundled_runs()))\n"
        "print(ask(from_json(sys.argv[1])).expert_ids.shape)\n"
    )
    from olmoe_viz.requests import to_json

    ran = subprocess.run(
        [sys.executable, "-c", script, to_json(EXAMPLE)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.strip() == "(16, 11, 8)"
