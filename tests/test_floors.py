"""Imports run one way: pages, ui, {analysis, figures}, engine, models, families, records."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "olmoe_viz"
# The rooms from the ground up: each may import those below it, and of its own floor only itself.
FLOORS = [
    {"interventions"},
    {"policy", "errors", "settings"},
    {"json_form", "numerics"},
    {"requests"},
    {"records"},
    {"families"},
    {"models"},
    {"engine"},
    {"analysis", "figures"},
    {"exchange", "report"},
    {"__init__"},
    {"ui", "cli"},
    {"pages", "app"},
]
LIGHT = [
    *(
        "interventions",
        "policy",
        "errors",
        "settings",
        "json_form",
        "numerics",
        "requests",
        "records",
    ),
    *("figures", "analysis", "exchange", "report"),
]
MODEL_LIBRARIES = {"torch", "transformers", "accelerate"}
MAY_IMPORT_MODEL_LIBRARIES = {"engine", "models", "families"}
MAY_IMPORT_STREAMLIT = {"ui", "app"}
# One family's modules are named in one file.
FAMILY_MODULES = "transformers.models."


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


def modules_of(room_name: str) -> list[str]:
    """Name every module of a room."""
    if not (PACKAGE / room_name).is_dir():
        return [f"olmoe_viz.{room_name}"]
    files = sorted((PACKAGE / room_name).rglob("*.py"))
    parts = [file.relative_to(PACKAGE.parent).with_suffix("").parts for file in files]
    return [".".join(each).removesuffix(".__init__") for each in parts]


@pytest.mark.parametrize("room_name", LIGHT)
def test_a_light_room_loads_neither_torch_nor_streamlit(room_name: str):
    modules = modules_of(room_name)
    loaded = modules_loaded_by("\n".join(f"import {module}" for module in modules))
    assert "olmoe_viz" in loaded
    assert not loaded & {*MODEL_LIBRARIES, "streamlit"}
    if room_name not in ("figures", "analysis"):
        assert not loaded & {"plotly", "pandas"}


def test_the_door_and_the_engines_elsewhere_need_no_torch():
    doors = ("engine", "recorded", "remote", "child", "admission", "serving.app")
    loaded = modules_loaded_by("\n".join(f"import olmoe_viz.engine.{each}" for each in doors))
    assert not loaded & {*MODEL_LIBRARIES, "streamlit"}


def test_the_check_sees_a_loaded_library():
    assert "torch" in modules_loaded_by("import torch")


def test_only_the_engine_models_and_families_import_torch():
    importers = {room(path) for path in sources() if libraries_imported(path) & MODEL_LIBRARIES}
    assert importers == MAY_IMPORT_MODEL_LIBRARIES


def test_only_the_ui_and_app_import_streamlit():
    importers = {room(path) for path in sources() if "streamlit" in libraries_imported(path)}
    assert importers == MAY_IMPORT_STREAMLIT


def test_no_page_touches_a_model():
    """Pages see the door, the names of the catalogue, and nothing that holds a torch module."""
    allowed = {"engine.engine", "engine.local", "engine.recorded"}
    allowed |= {"engine.admission", "engine.child", "engine.remote", "engine.serving.readiness"}
    allowed |= {"models.catalogue", "models.offered"}
    for path in sources():
        if room(path) in {*MAY_IMPORT_STREAMLIT, "pages"}:
            for name in imported(path):
                inner = name.removeprefix("olmoe_viz.")
                if inner.split(".")[0] in ("engine", "models", "families"):
                    assert any(f"{inner}.".startswith(f"{each}.") for each in allowed), (
                        f"{path}: {name}"
                    )


def test_only_the_families_know_the_modules_of_a_model():
    importers = {
        room(path)
        for path in sources()
        if any(name.startswith(FAMILY_MODULES) for name in imported(path))
    }
    assert importers <= {"families"}
    named = {
        str(path.relative_to(ROOT))
        for path in sources()
        if room(path) != "families" and "modeling_olmoe" in path.read_text(encoding="utf-8")
    }
    assert not named


def test_imports_run_one_way():
    """Every room only imports floors below its own, so that no two import each other."""
    level = {name: number for number, floor in enumerate(FLOORS) for name in floor}
    rooms = {room(path) for path in sources()}
    assert rooms == level.keys()
    wrong = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources()
        for name in rooms_imported(path) - {room(path)}
        if level[name] >= level[room(path)]
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
