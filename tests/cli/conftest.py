"""Saved runs of random numbers, as files on which commands work."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from olmoe_viz import RoutingPolicy, Trace
from olmoe_viz.cli import main


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Result]:
    """Return a function that runs a command in a folder of its own, in this process."""
    monkeypatch.chdir(tmp_path)

    def run_command(*arguments: str, typed: str | None = None) -> Result:
        return CliRunner().invoke(main, arguments, input=typed, prog_name="olmoe-viz")

    return run_command


@pytest.fixture
def saved(tmp_path: Path, make_trace: Callable[..., Trace]) -> Trace:
    """A trace at k = 2, saved as run.safetensors; other.safetensors is the same text at k = 3."""
    trace = make_trace()
    trace.save(tmp_path / "run.safetensors")
    make_trace(policy=RoutingPolicy(3)).save(tmp_path / "other.safetensors")
    return trace
