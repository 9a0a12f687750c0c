"""Ray Serve with two replicas, in an environment of its own that has what a cluster needs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import free_port

ROOT = Path(__file__).parents[2]
INSTALLED = ".venv-cluster/installed"  # by the Makefile, once


@pytest.mark.long
@pytest.mark.timeout(1_800)
def test_every_request_is_answered_though_a_replica_is_killed_in_the_middle(
    tmp_path: Path,
) -> None:
    """tests/engine/serving/test_remote.py has the shorter form: connections that are cut."""
    subprocess.run(["make", "--silent", INSTALLED], check=True, cwd=ROOT, stdout=sys.stderr)
    python = (ROOT / INSTALLED).parent / "bin" / "python"
    file = tmp_path / "found.json"  # Ray writes to the standard output itself
    subprocess.run(
        [python, "-m", "tests.deploy.cluster", str(free_port()), file],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0"},
        check=True,
    )
    found = json.loads(file.read_text("utf-8"))
    sys.stdout.write(f"{found}\n")
    assert (found["replicas"], found["answers"], found["wrong"]) == (2, 60, 0)
    assert found["under_way"] > 30  # more than one replica had, when the other was killed
