"""`olmoe-viz check` on a tiny model, whose answers nobody knows."""

import json
import re
from pathlib import Path
from shutil import copytree

import huggingface_hub
import pytest

from olmoe_viz.models.catalogue import find
from tests.engine.tiny import write_checkpoint
from tests.test_cli import run

STEP = "step10000-tokens41B"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_checkpoint(tmp_path_factory.mktemp("tiny")))


def test_a_table_says_what_passed_with_figures_and_what_was_not_checked(folder: str):
    ran = run("check", folder)
    assert ran.exit_code == 0
    first, *lines, last = ran.stdout.splitlines()
    assert first.startswith(f"{folder} (sha256:")
    assert "passed       routing and logits at k = 16" in lines
    assert "not checked  token ids" in lines
    assert any(re.search(r"logits: distance .* \d.*e-\d\d \(at most ", line) for line in lines)
    assert last == "2 passed, 0 failed, 3 not checked"
    assert "Checking token ids." in ran.stderr


def test_a_failure_is_the_exit_code_1(folder: str):
    """It is not the bundled model, whose answers it is asked for."""
    ran = run("check", folder, "--as", "olmoe-nano", "--json")
    assert ran.exit_code == 1
    report = json.loads(ran.stdout)
    assert not report["passed"]
    outcomes = [each["outcome"] for each in report["checks"]]
    assert outcomes == ["not checked", "not checked", *["failed"] * 6, "passed", "passed"]
    assert all(each["reason"] for each in report["checks"] if each["outcome"] != "passed")
    (figure,) = (
        each for each in report["checks"][-1]["figures"] if each["name"].startswith("logits")
    )
    assert 0 < figure["value"] <= figure["limit"]
    assert report["provenance"]["model"] == folder


def test_of_an_unknown_model_nothing_can_be_asked(folder: str):
    ran = run("check", folder, "--as", "someone/else")
    assert ran.exit_code == 1
    assert ran.stderr.splitlines()[-1].startswith("Error: Nothing is known of someone/else")


def test_a_model_of_the_hub_is_held_against_what_is_known_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Other weights under the right name, at the right commit, are found out."""
    entry = find("allenai/OLMoE-1B-7B-0924")
    own = write_checkpoint(tmp_path / str(entry.revision))
    step = copytree(own, tmp_path / ("c" * 40))
    folders = {entry.revision: own, STEP: step, step.name: step}
    monkeypatch.setattr(
        huggingface_hub,
        "snapshot_download",
        lambda *_, revision, dry_run=False, **__: [] if dry_run else str(folders[revision]),
    )
    ran = run("check", entry.name, "--yes")
    assert ran.exit_code == 1
    first, *lines, last = ran.stdout.splitlines()
    assert first.startswith(f"{entry.name} at {entry.revision}, ")
    assert last == "2 passed, 4 failed, 0 not checked"
    failed = [line.removeprefix("failed").strip() for line in lines if line.startswith("failed")]
    assert failed == [
        "token ids",
        "logits of a fixed input",
        "greedy text after 'Simply put, the theory of relativity states that '",
        "greedy text after 'Bitcoin is'",
    ]
    other = run("check", entry.name, "--revision", STEP, "--yes")
    assert other.stdout.splitlines()[-1] == "2 passed, 0 failed, 3 not checked"
