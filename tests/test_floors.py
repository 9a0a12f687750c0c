"""Imports run one way: pages -> ui -> {charts, analysis, engine} -> {routing, trace, ...}."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "olmoe_viz"
LIGHT = [
    "olmoe_viz",
    "olmoe_viz.policy",
    "olmoe_viz.costs",
    "olmoe_viz.storage",
    "olmoe_viz.trace",
    "olmoe_viz.routing",
    "olmoe_viz.models.catalogue",
]
GROUND = {"policy", "costs", "storage", "trace", "routing"}
# What each room may import of the package besides itself.
MAY_IMPORT = {
    "__init__": GROUND | {"engine", "models", "analysis"},
    **dict.fromkeys(GROUND, GROUND),
    "charts": GROUND,
    "models": GROUND | {"engine"},
    "engine": GROUND | {"models"},
    "analysis": GROUND | {"engine", "models"},
    "ui": GROUND | {"charts", "analysis", "engine", "models"},
    "cli": GROUND | {"analysis", "engine", "models"},
    "pages": GROUND | {"ui", "charts", "analysis", "engine", "models"},
    "app": GROUND | {"ui", "charts", "analysis", "engine", "models"},
}
MODEL_LIBRARIES = {"torch", "transformers", "accelerate"}
MAY_IMPORT_MODEL_LIBRARIES = {"engine", "models", "analysis"}
MAY_IMPORT_STREAMLIT = {"ui", "pages", "app"}


def sources() -> list[Path]:
    """List every file that a person runs or imports."""
    pages = [ROOT / "app.py", *(ROOT / "pages").rglob("*.py")]
    return [path for path in [*PACKAGE.rglob("*.py"), *pages] if path.exists()]


def room(path: Path) -> str:
    parts = path.relative_to(PACKAGE if PACKAGE in path.parents else ROOT).with_suffix("").parts
    return parts[0]


def imported(path: Path) -> Iterator[str]:
    """Yield the full name of everything the file imports, wherever in the file it does."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports name the whole path"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def rooms_imported(path: Path) -> set[str]:
    parts = [name.split(".") for name in imported(path)]
    inner = [name[1] for name in parts if name[0] == "olmoe_viz" and len(name) > 1]
    # Names that the package itself offers, `from olmoe_viz import Trace`, are no rooms.
    return {
        name for name in inner if (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").exists()
    }


def libraries_imported(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imported(path)}


def modules_loaded_by(statement: str) -> set[str]:
    """Run a statement in a fresh interpreter and return the top-level modules it loaded."""
    script = f"import sys\n{statement}\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(ran.stdout.split())


def chart_modules() -> list[str]:
    files = sorted((PACKAGE / "charts").glob("[!_]*.py"))
    return ["olmoe_viz.figures", *(f"olmoe_viz.figures.{file.stem}" for file in files)]


@pytest.mark.parametrize("module", LIGHT)
def test_a_light_module_loads_neither_torch_nor_streamlit(module: str):
    loaded = modules_loaded_by(f"import {module}")
    assert "olmoe_viz" in loaded
    assert not loaded & {*MODEL_LIBRARIES, "streamlit", "plotly", "pandas"}


def test_the_charts_load_neither_torch_nor_streamlit():
    modules = chart_modules()
    assert len(modules) > 1
    loaded = modules_loaded_by("\n".join(f"import {module}" for module in modules))
    assert "plotly" in loaded
    assert not loaded & {*MODEL_LIBRARIES, "streamlit"}


def test_the_check_sees_a_loaded_library():
    assert "torch" in modules_loaded_by("import torch")


def test_only_the_engine_models_and_analysis_import_torch():
    importers = {room(path) for path in sources() if libraries_imported(path) & MODEL_LIBRARIES}
    assert importers <= MAY_IMPORT_MODEL_LIBRARIES
    assert "engine" in importers


def test_only_the_ui_pages_and_app_import_streamlit():
    importers = {room(path) for path in sources() if "streamlit" in libraries_imported(path)}
    assert importers <= MAY_IMPORT_STREAMLIT
    assert "ui" in importers


def test_imports_run_one_way():
    wrong = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources()
        for name in rooms_imported(path) - MAY_IMPORT[room(path)] - {room(path)}
    }
    assert not wrong


def test_files_stay_readable():
    limit = {"pages": 150}
    long = {
        f"{path.relative_to(ROOT)} has {lines} lines"
        for path in sources()
        if (lines := len(path.read_text(encoding="utf-8").splitlines()))
        >= limit.get(room(path), 400)
    }
    assert not long


def attributes_assigned(path: Path) -> set[str]:
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return {n.attr for n in nodes if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store)}


def keywords_passed(path: Path) -> set[str | None]:
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return {node.arg for node in nodes if isinstance(node, ast.keyword)}


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_what_no_file_does(path: Path):
    """k belongs to the request, files of others run no code, and text is never markup."""
    assert not attributes_assigned(path) & {"top_k", "num_experts_per_tok"}
    assert not keywords_passed(path) & {"trust_remote_code", "unsafe_allow_html"}
    assert not libraries_imported(path) & {"pickle", "dill", "joblib"}
    assert "torch.load" not in path.read_text(encoding="utf-8")
