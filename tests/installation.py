"""The wheel in an environment of its own."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
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
    """A folder with the built wheel and with an environment that has it."""

    folder: Path

    @property
    def wheel(self) -> Path:
        """The built wheel."""
        (found,) = self.folder.glob("*.whl")
        return found

    @property
    def programs(self) -> Path:
        """The folder of programs of the environment."""
        return self.folder / "environment" / "bin"

    @property
    def variables(self) -> dict[str, str]:
        """Environment variables in which the installed programs come first."""
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        programs = [self.programs, Path(sys.executable).parent, os.environ["PATH"]]
        return kept | {"PATH": os.pathsep.join(map(str, programs))}


def installed(folder: Path) -> Installation:
    """Build the wheel and install it in a folder, unless that was done before; without a network.

    What it depends on is not installed again but taken from the environment of the tests.
    """
    installation, whole = Installation(folder), folder / "whole"
    if not whole.exists():
        shutil.rmtree(folder, ignore_errors=True)
        _run(*MAKE, "wheel", f"DIST={folder}")
        venv.create(folder / "environment", with_pip=False)
        pip = (sys.executable, "-m", "pip", f"--python={installation.programs / 'python'}")
        _run(*pip, "install", "--no-deps", "--no-index", str(installation.wheel))
        (packages,) = (folder / "environment").glob("lib/python*/site-packages")
        (packages / "of_the_tests.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
        whole.touch()
    return installation


def _run(*command: str) -> None:
    ran = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout
