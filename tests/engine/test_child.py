"""The engine in a process of its own: killed in the middle, and ended with its parent."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from olmoe_viz import RoutingPolicy
from olmoe_viz.engine.child import ChildEngine
from olmoe_viz.requests import GenerateRequest
from olmoe_viz.settings import Settings, variable
from tests.servers import until

SOON = 120.0
ROOT = Path(__file__).parents[2]
TWO = (RoutingPolicy(8), RoutingPolicy(16))


@pytest.fixture(scope="module")
def engine(folder: Path) -> Iterator[ChildEngine]:
    """Return an engine that offers a large model, which is a tiny one here."""
    offered = json.dumps([{"name": "ours", "label": "Ours", "folder": str(folder)}])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(variable("models"), offered)
        made = ChildEngine(Settings(idle_seconds=1))
        yield made
        made.close()


@pytest.mark.early
def test_a_kill_in_the_middle_is_healed_and_everybodys_text_goes_on(engine: ChildEngine) -> None:
    requests = [GenerateRequest("olmoe-nano", text, TWO, 60, seed=1) for text in ("Once", "def")]
    tickets = [engine.submit(request, str(n)) for n, request in enumerate(requests)]
    assert tickets[0].new_steps(0, SOON)
    first = engine.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    until(lambda: tickets[0].progress.stage == "restarting" or engine.pid not in (first, None))
    texts = [ticket.result(SOON) for ticket in tickets]
    assert engine.pid not in (None, first)
    for ticket, request, written in zip(tickets, requests, texts, strict=True):
        steps = list(ticket.steps())
        for row, text in enumerate(written):
            ids = [step.rows[row].token_id for step in steps]
            assert [each for each in ids if each is not None] == text.token_ids.tolist()
            assert text.request == request


def test_an_idle_large_model_is_given_back_by_ending_its_process(engine: ChildEngine) -> None:
    large = GenerateRequest("ours", "the robot", (RoutingPolicy(8),), 8)
    (text,) = engine.submit(large).result(SOON)
    assert len(text.token_ids) == 8
    process = psutil.Process(engine.pid)
    another = engine.submit(GenerateRequest("olmoe-nano", "1 2 1 2 1 2", TWO, 500))
    assert another.new_steps(0, SOON)
    engine._large_since = 0.0  # long ago, but somebody waits for a text
    engine._give_back()
    assert engine.pid == process.pid
    another.cancel()
    until(lambda: not process.is_running())
    assert engine.pid is None


def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    """However that ends: nothing of it has to run for this."""
    script = (
        "import sys, time\n"
        "from olmoe_viz.engine import child\n"
        "from olmoe_viz.settings import Settings\n"
        "engine = child.ChildEngine(Settings())\n"
        "engine._running()\n"
        "print(engine.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        process = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)
