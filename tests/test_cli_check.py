"""`olmoe-viz check` on a tiny model, whose answers nobody knows."""

import json
import re

import pytest

from tests.engine.tiny import write_checkpoint
from tests.test_cli import run


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
