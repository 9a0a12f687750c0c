"""The wheel in an environment of its own, and servers that a test starts and ends."""

import atexit
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
import urllib.error
import urllib.request
import venv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Of this environment everything is installed already, whatever the dates of its files say.
MAKE = (
    "make",
    f"BIN={Path(sys.executable).parent}",
    "--old-file=.venv/app-installed",
    "--old-file=.venv/dev-installed",
)


@dataclass(frozen=True)
class Installation:
    """The built wheel, and the folder of programs of an environment that has it."""

    wheel: Path
    programs: Path

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables in which the installed programs come first."""
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        programs = [self.programs, Path(sys.executable).parent, os.environ["PATH"]]
        return kept | {"PATH": os.pathsep.join(map(str, programs))}


@cache
def installed() -> Installation:
    """Build the wheel and install it; once for all tests, and without a network.

    What it depends on is not installed again but taken from the environment of the tests.
    """
    folder = Path(tempfile.mkdtemp(prefix="olmoe-viz-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _run(*MAKE, "wheel", f"DIST={folder}")
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "environment", with_pip=False)
    programs = folder / "environment" / "bin"
    pip = (sys.executable, "-m", "pip", f"--python={programs / 'python'}")
    _run(*pip, "install", "--no-deps", "--no-index", str(wheel))
    (packages,) = (folder / "environment").glob("lib/python*/site-packages")
    (packages / "of_the_tests.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    return Installation(wheel, programs)


def _run(*command: str) -> None:
    ran = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout


@contextmanager
def started(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """Yield the address of the application that a command serves; it ends with the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {"PORT": str(port), "ADDRESS": "127.0.0.1", "HEADLESS": "true"}
    server = subprocess.Popen(
        command,
        cwd=folder,
        env={**environment, **{f"STREAMLIT_SERVER_{name}": settings[name] for name in settings}},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        address = f"http://127.0.0.1:{port}"
        while not answers(f"{address}/_stcore/health"):
            assert server.poll() is None, f"{command} ended with {server.returncode}"
            time.sleep(0.1)
        yield address
    finally:
        # The whole group: make and a shell have the server as their child.
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()


def answers(address: str) -> bool:
    """Tell whether there is an answer at the address, and a good one."""
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310 - our own server
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
