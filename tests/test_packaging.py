"""The wheel holds the whole application, and what it needs is declared."""

import ast
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.installation import ROOT, Installation

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
# torch brings triton where it is built for CUDA, numba llvmlite, each in the version that it needs.
BROUGHT_BY_OTHERS = ("llvmlite", "triton")
RANGES = {
    canonicalize_name(each.name): each.specifier
    for each in map(Requirement, PROJECT["dependencies"])
}


@pytest.fixture(scope="module")
def contents(installation: Installation) -> dict[str, bytes]:
    """What the wheel holds, by path."""
    with zipfile.ZipFile(installation.wheel) as wheel:
        return {name: wheel.read(name) for name in wheel.namelist()}


def sources() -> dict[str, Path]:
    """Every file that must be in the wheel, by the path that it has there."""
    found = {
        str(path.relative_to(ROOT)): path
        for path in (ROOT / "olmoe_viz").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    application = [ROOT / "app.py", ROOT / ".streamlit/config.toml", *ROOT.glob("pages/*.py")]
    application += [ROOT / "docs" / name for name in ("lesson.md", "stops.yaml")]
    inside = "olmoe_viz/application"
    return found | {f"{inside}/{path.relative_to(ROOT)}": path for path in application}


def test_the_wheel_is_below_100_mb(installation: Installation):
    assert installation.wheel.stat().st_size < 100_000_000


def test_the_wheel_holds_every_file_as_it_is_in_the_tree(contents: dict[str, bytes]):
    expected = sources()
    packed = {name for name in contents if name.startswith("olmoe_viz/")}
    assert packed == expected.keys()
    different = [name for name, path in expected.items() if contents[name] != path.read_bytes()]
    assert different == []
    assert len(list(ROOT.glob("pages/*.py"))) == sum("/pages/" in name for name in packed)


def test_nothing_but_the_package_comes_to_the_top(contents: dict[str, bytes]):
    assert {name.split("/")[0] for name in contents} == {
        "olmoe_viz",
        f"olmoe_viz-{PROJECT['version']}.dist-info",
    }


def test_the_installed_package_runs_on_what_it_brings(tmp_path: Path, installation: Installation):
    script = "import olmoe_viz; from olmoe_viz.cli.app import script; print(script())"
    ran = subprocess.run(
        ["python", "-c", script],
        cwd=tmp_path,
        env=installation.variables,
        capture_output=True,
        text=True,
        check=True,
    )
    application = Path(ran.stdout.strip())
    assert application.is_relative_to(installation.programs.parent)
    assert application.read_bytes() == (ROOT / "app.py").read_bytes()


def test_exact_versions_are_pinned_in_the_requirements_alone():
    assert all("==" not in str(versions) for versions in RANGES.values())
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    assert {canonicalize_name(pin.name) for pin in pins} == RANGES.keys()
    for pin in pins:
        (exact,) = pin.specifier
        assert exact.operator == "=="
        assert exact.version in RANGES[canonicalize_name(pin.name)], pin


def test_every_library_that_is_imported_is_declared():
    imported = set()
    for path in [*(ROOT / "olmoe_viz").rglob("*.py"), ROOT / "app.py", *ROOT.glob("pages/*.py")]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(str(node.module).split(".")[0])
    libraries = imported - sys.stdlib_module_names - {"olmoe_viz", *BROUGHT_BY_OTHERS}
    named = packages_distributions()
    declared = {
        each for each in libraries if set(map(canonicalize_name, named[each])) & RANGES.keys()
    }
    assert libraries == declared
