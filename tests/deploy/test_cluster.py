"""Ray Serve with two replicas, in an environment of its own that has what a cluster needs."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.servers import free_port

ROOT = Path(__file__).parents[2]


@pytest.mark.long
@pytest.mark.timeout(1_800)
def test_every_request_is_answered_though_a_replica_is_killed_in_the_middle(tmp_path: Path) -> None:
    """tests/engine/serving/test_remote.py has the shorter form: connections that are cut."""
    venv.create(tmp_path, with_pip=True)
    python = tmp_path / "bin" / "python"
    (packages,) = tmp_path.glob("lib/python*/site-packages")
    (packages / "project.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    install = [python, "-m", "pip", "install", "--quiet", "-r", ROOT / "requirements-cluster.txt"]
    subprocess.run(install, check=True, cwd=ROOT)
    ran = subprocess.run(
        [python, ROOT / "tests" / "deploy" / "cluster.py", str(free_port())],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    sys.stdout.write(ran.stdout)
    found = json.loads(ran.stdout.strip().splitlines()[-1])
    assert (found["replicas"], found["answers"], found["wrong"]) == (2, 60, 0)
