"""The models that visitors may load: the catalogue, the bundled one, or an operator's list."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from olmoe_viz.engine.local import LocalEngine
from olmoe_viz.errors import ModelError
from olmoe_viz.models import offered as offered_models
from olmoe_viz.models.catalogue import CATALOGUE
from olmoe_viz.models.load import load_model
from olmoe_viz.models.offered import LISTED, find, offered
from olmoe_viz.requests import ModelRequest
from tests.engine.tiny import write_checkpoint

REAL = "allenai/OLMoE-1B-7B-0924"
STEP = {"name": REAL, "revision": "step10000-tokens41B", "label": "0924 after 10,000 steps"}
BUNDLED = CATALOGUE[:1]


@pytest.fixture
def listed(configure: Callable[..., None]) -> Callable[[object], None]:
    """Return a function that sets the operator's list, as a value or as text."""
    return lambda lines: configure(models=lines if isinstance(lines, str) else json.dumps(lines))


@pytest.mark.parametrize(
    ("text", "gpu", "expected"),
    [
        ("", False, BUNDLED),
        ("", True, CATALOGUE),
        ("catalogue", False, CATALOGUE),
        ("bundled", True, BUNDLED),
    ],
)
def test_large_models_are_offered_where_there_is_a_gpu_or_the_operator_says_so(
    text: str, gpu: bool, expected: object, listed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offered_models, "gpu_here", lambda: gpu)
    listed(text)
    assert offered() == expected


def test_a_listed_revision_is_offered_under_its_label(listed) -> None:
    listed([STEP, {"name": REAL, "label": "0924"}])
    bundled, step, whole = offered()
    assert (bundled,) == BUNDLED
    assert (step.name, step.revision) == (f"{REAL}@step10000-tokens41B", "step10000-tokens41B")
    assert (step.title, step.hub_id, step.experts) == ("0924 after 10,000 steps", REAL, 64)
    assert (whole.name, whole.title, whole.revision) == (REAL, "0924", CATALOGUE[1].revision)
    assert find(f"{REAL}-Instruct") is None


def test_a_folder_of_the_operator_is_loaded_by_its_name_alone(listed, tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "checkpoint")
    listed([{"name": "ours", "label": "Ours", "folder": str(folder)}])
    entry = offered()[1]
    assert (entry.title, entry.context, entry.layers, entry.experts) == ("Ours", 96, 3, 64)
    model = load_model("ours")
    assert (model.name, model.geometry.layers) == ("ours", 3)
    listed([])
    with pytest.raises(ModelError, match="no model and no folder named 'ours'"):
        load_model("ours")


@pytest.mark.parametrize("damage", ["config.json", "model.safetensors.index.json"])
def test_a_folder_that_is_damaged_at_the_start_is_told_and_used_once_it_is_whole(
    damage: str, listed, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_checkpoint(tmp_path / damage)
    whole = (folder / damage).read_bytes()
    (folder / damage).write_text("{", encoding="utf-8")
    listed([STEP, {"name": "ours", "label": "Ours", "folder": str(folder)}])
    engine = LocalEngine()
    assert [entry.name for entry in offered()][1] == f"{REAL}@step10000-tokens41B"
    with pytest.raises(ModelError, match="ours"):
        engine.submit(ModelRequest("ours")).result(60)
    in_log = [LISTED in record.getMessage() for record in caplog.records]
    assert in_log == [True] * (damage == "config.json")
    (folder / damage).write_bytes(whole)
    assert offered()[2].title == "Ours"
    assert engine.submit(ModelRequest("ours")).result(60).geometry.layers == 3


@pytest.mark.parametrize(
    "lines",
    [
        "[",
        "[" * 10**5,
        "3",
        {},
        [3],
        [{"name": REAL}],
        [{**STEP, "trust": True}],
        [{**STEP, "label": ""}],
        [{**STEP, "label": "a\nb"}],
        [{**STEP, "label": "x" * 61}],
        [{**STEP, "name": "someone/else"}],
        [{**STEP, "name": "/etc"}],
        [{**STEP, "name": "olmoe-nano"}],
        [{**STEP, "revision": "../../etc"}],
        [STEP, {**STEP, "revision": 3}],
        [{"name": "ours", "label": "Ours", "folder": "olmoe_viz/models/olmoe-nano"}],
        [{"name": "../ours", "label": "Ours", "folder": "/srv"}],
        [{"name": "olmoe-nano", "label": "Ours", "folder": "/srv"}],
        "[" + " " * 10**6 + "]",
    ],
)
def test_a_list_with_a_mistake_is_refused_whole_and_the_log_says_so(
    listed, lines: object, caplog: pytest.LogCaptureFixture
) -> None:
    listed(lines)
    with caplog.at_level(logging.ERROR):
        assert offered() == BUNDLED
        assert offered() == BUNDLED
    assert [record.getMessage().startswith(LISTED) for record in caplog.records] == [True]
