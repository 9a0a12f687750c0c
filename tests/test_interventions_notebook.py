"""The notebook on interventions runs from top to bottom, and says what was measured."""

import ast
import contextlib
import io
import sys
import warnings
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest

PATH = Path(__file__).parent.parent / "notebooks" / "Interventions.ipynb"


@pytest.fixture(scope="module")
def cells() -> list[str]:
    notebook = nbformat.read(PATH, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
    return [cell.source for cell in code]


@pytest.fixture(scope="module")
def ran(cells: list[str]) -> tuple[dict[str, Any], str]:
    """Run the cells in this process, which has torch already; return their names, and the output.

    The other notebook's test runs a kernel.
    """
    names: dict[str, Any] = {}
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.chdir(PATH.parent)
        patch.setattr(sys, "path", [*sys.path])
        with contextlib.redirect_stdout(printed):
            for source in cells:
                exec(compile(source, PATH.name, "exec"), names)  # noqa: S102 - our own text
    return names, printed.getvalue()


def test_it_uses_only_what_is_public(cells: list[str]):
    nodes = list(ast.walk(ast.parse("\n".join(cells))))
    attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    assert not {name for name in attributes if name.startswith("_")}


def test_it_measures_what_it_says(ran: tuple[dict[str, Any], str]):
    names, printed = ran
    gone, layer, token = names["strongest"], names["LAYER"], names["TOKEN"]
    plain, off, restored, around = names["runs"]
    assert off.weights[layer, token].sum() < plain.weights[layer, token].sum()
    np.testing.assert_allclose(
        restored.weights[layer, token].sum(), plain.weights[layer, token].sum(), rtol=1e-5
    )
    assert gone not in around.expert_ids[layer, token]
    asked = names["asked"]
    assert asked["expert"].tolist() == plain.expert_ids[layer, token].tolist()
    assert (asked["kl"] > 0).all()
    assert len(names["whole"]) == 16 * 8
    assert names["correlations"].between(-1, 1).all()
    assert names["restored"].shape == (16, len(names["tokens"]))
    assert names["restored"].max() > 0.5
    assert f"of {len(names['routes'].kl)} drawn routes" in printed
    coalition = names["coalition"]
    assert coalition.end_token != coalition.top_token
    assert f"Without {sum(coalition.kept)} of the 128 experts" in printed
    assert f"{coalition.end_token!r}" in printed
    one, other = names["texts"]
    assert one.token_ids[0] == other.token_ids[0]
    assert len(names["corpus"]) == 3 * 2 * 8
