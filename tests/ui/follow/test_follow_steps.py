"""Who asks on `Follow a token`: the page; the steps are given records and arrays."""

import ast
from pathlib import Path

import olmoe_viz.ui.follow

FOLDER = Path(olmoe_viz.ui.follow.__file__).parent
ASKING = {"page", "details", "measuring", "so_what"}


def imported(path: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
    plain = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    return plain | {
        f"{node.module}.{name.name}"
        for node in nodes
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    }


def test_a_step_knows_neither_the_session_nor_the_engine() -> None:
    steps = [path for path in FOLDER.glob("*.py") if path.stem not in ASKING]
    assert len(steps) >= 8
    forbidden = tuple(
        f"olmoe_viz.{room}"
        for room in ("ui.session", "engine", "requests", "ui.follow.details", "ui.follow.page")
    )
    wrong = {
        f"{path.name} imports {name}"
        for path in steps
        for name in imported(path)
        if name.startswith(forbidden)
    }
    assert not wrong
