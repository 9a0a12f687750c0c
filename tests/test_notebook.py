"""The notebook runs from top to bottom, and its tables say what they claim to say."""

import ast
import json
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from jupyter_client import AsyncKernelManager
from nbclient import NotebookClient
from nbformat import NotebookNode

PATH = Path(__file__).parent.parent / "notebooks" / "OLMoE_Hands_On_Demo.ipynb"
MAY_IMPORT = {
    "sys",
    "warnings",
    "numpy",
    "pandas",
    "olmoe_viz",
    "olmoe_viz.analysis.quality",
    "olmoe_viz.analysis.tradeoff",
    "olmoe_viz.engine.engine",
    "olmoe_viz.figures",
    "olmoe_viz.requests",
}
# Run after the last cell, by the test alone.
READ = """
import json

print(json.dumps({
    "prompt": PROMPT,
    "token_bytes": b"".join(trace.token_bytes).decode(),
    "router_table": router_table.to_numpy().tolist(),
    "selected": selected.to_numpy().tolist(),
    "opened": [float(opened.largest_differences.max()), len(opened.ids)],
    "texts": [[run.text for run in each] for each in (runs, story_runs, alone)],
    "policies": [str(run.policy) for run in runs],
    "masses": masses.to_frame()["retained mass"].tolist(),
    "speed": speed.to_numpy().tolist(),
    "tradeoff": {name: table[name].tolist() for name in table} | {"k": table.index.tolist()},
    "quality": {name: quality[name].tolist() for name in quality} | {"k": quality.index.tolist()},
}))
"""


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.fixture(scope="module")
def notebook() -> NotebookNode:
    return nbformat.read(PATH, as_version=4)


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> tuple[NotebookNode, dict[str, Any]]:
    """Run the notebook in its folder; return it with its outputs, and what READ printed."""
    notebook = nbformat.read(PATH, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(READ))
    socket = tmp_path_factory.mktemp("kernel") / "s"  # no port that others could reach
    manager = AsyncKernelManager(kernel_name="python3", transport="ipc", ip=str(socket))
    with pytest.MonkeyPatch.context() as patch:
        # Threads that wait for each other crawl when other tests use the same processors.
        patch.setenv("OMP_NUM_THREADS", "1")
        client = NotebookClient(
            notebook,
            km=manager,
            timeout=250,
            resources={"metadata": {"path": str(PATH.parent)}},
        )
        client.execute(cleanup_kc=True)
    return notebook, json.loads(notebook.cells.pop().outputs[0].text)


def test_it_is_committed_without_outputs(notebook: NotebookNode):
    nbformat.validate(notebook)
    assert len(code_cells(notebook)) > 10
    for cell in code_cells(notebook):
        assert cell.outputs == []
        assert cell.execution_count is None


def test_it_uses_only_what_is_public(notebook: NotebookNode):
    tree = ast.parse("\n".join(cell.source for cell in code_cells(notebook)))
    nodes = list(ast.walk(tree))
    imported = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    imported |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
    assert imported <= MAY_IMPORT
    assert "olmoe_viz" in imported
    attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    assert not {name for name in attributes if name.startswith("_")}


@pytest.mark.early
def test_every_cell_runs_and_every_figure_is_drawn(executed: tuple[NotebookNode, dict[str, Any]]):
    notebook, _ = executed
    assert [cell.execution_count for cell in code_cells(notebook)] == list(
        range(1, len(code_cells(notebook)) + 1)
    )
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    shown = [output.get("data", {}).get("text/html", "") for output in outputs]
    figures = [html for html in shown if "<svg" in html]
    assert len(figures) == 5
    assert sum("<iframe" in html for html in shown) == 1  # the map of a record
    assert sum("share of tokens" in html for html in figures) == 2
    assert not any("<script" in html for html in shown)


def test_the_router_table_holds_64_probabilities_of_every_token(
    executed: tuple[NotebookNode, dict[str, Any]],
):
    _, found = executed
    assert found["token_bytes"] == found["prompt"]
    table = np.array(found["router_table"])
    assert table.shape[0] == 64
    assert table.shape[1] == len(found["selected"])
    assert table.min() > 0
    np.testing.assert_allclose(table.sum(axis=0), 1)
    for token, row in enumerate(found["selected"]):
        best = np.argsort(-table[:, token], kind="stable")[:8]
        assert row[:8] == [f"{expert} ({table[expert, token]:.3f})" for expert in best]
        assert row[8] == pytest.approx(table[best, token].sum())


def test_the_table_of_a_figure_has_its_numbers(executed: tuple[NotebookNode, dict[str, Any]]):
    masses = np.array(executed[1]["masses"]).reshape(3, -1)
    assert (np.diff(masses, axis=0) > 0).all()  # more experts keep more
    assert ((masses > 0) & (masses < 1)).all()


def test_the_sum_of_the_experts_is_the_blocks_output(
    executed: tuple[NotebookNode, dict[str, Any]],
):
    difference, experts = executed[1]["opened"]
    assert difference < 1e-4
    assert experts == 16


def test_the_texts_stand_side_by_side_and_do_not_depend_on_the_batch(
    executed: tuple[NotebookNode, dict[str, Any]],
):
    _, found = executed
    assert found["policies"] == ["k=8", "k=16", "k=32", "k=64"]
    runs, stories, alone = found["texts"]
    assert all(runs + stories)
    assert alone == stories
    speed = np.array(found["speed"])
    assert speed.shape == (4, 4)
    assert (speed > 0).all()
    np.testing.assert_allclose(speed[:, 0] / speed[:, 1], speed[:, 2])


def test_the_tradeoff_table(executed: tuple[NotebookNode, dict[str, Any]]):
    table = executed[1]["tradeoff"]
    assert table["k"] == [1, 4, 8, 16, 32, 64]
    for rising in ("retained mass", "active parameters (millions)", "MFLOP per token"):
        assert (np.diff(table[rising]) > 0).all()
    assert table["retained mass"][-1] == pytest.approx(1)
    assert table["share of all"][-1] == 1
    assert table["KL to the trained k"][2] == pytest.approx(0, abs=1e-9)
    assert min(table["KL to the trained k"][:2] + table["KL to the trained k"][3:]) > 0
    assert min(table["milliseconds"]) > 0


def test_the_quality_table(executed: tuple[NotebookNode, dict[str, Any]]):
    table = executed[1]["quality"]
    assert table["k"] == [8, 16, 32, 64]
    assert min(table["native"]) > 1
    # At the trained k, gain-anchored weights are the native ones.
    assert table["gain_anchored"][0] == pytest.approx(table["native"][0])
    # At 64 of 64 nothing is left out, so native weights sum to 1 already.
    assert table["renormalized"][-1] == pytest.approx(table["native"][-1])
