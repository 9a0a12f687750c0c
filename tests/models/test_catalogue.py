"""What the catalogue says of its models."""

import json
import re
from dataclasses import replace
from pathlib import Path
from shutil import copytree

import huggingface_hub
import pytest
import torch

from olmoe_viz.models import memory
from olmoe_viz.models.catalogue import (
    BUNDLED,
    CATALOGUE,
    bundled_path,
    find,
    on_disk,
    with_revision,
)
from olmoe_viz.numerics.geometry import OLMOE_1B_7B

REAL = "allenai/OLMoE-1B-7B-0924"


def test_the_contexts_are_those_of_the_models() -> None:
    config = json.loads((bundled_path() / "config.json").read_text(encoding="utf-8"))
    for entry in CATALOGUE:
        own = config["max_position_embeddings"]
        assert entry.context == (own if entry.name == BUNDLED else OLMOE_1B_7B.context)


def test_the_memory_is_what_loading_asks_for() -> None:
    needed = memory.weight_bytes(OLMOE_1B_7B, torch.bfloat16)
    assert {entry.memory for entry in CATALOGUE} == {0, needed}
    assert all((entry.download > 0) == (entry.name != BUNDLED) for entry in CATALOGUE)


def test_what_is_here_of_a_model_is_counted_until_it_is_whole(
    original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry, step = find(REAL), find(f"{REAL}@step10000-tokens41B")
    assert entry is not None
    assert step is not None
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    nothing = on_disk(entry)
    assert (nothing.complete, nothing.arrived) == (False, 0)
    assert nothing.free > 0

    folder = tmp_path / "cache" / "models--allenai--OLMoE-1B-7B-0924"
    (folder / "blobs").mkdir(parents=True)
    (folder / "blobs" / "first").write_bytes(b"whole")
    (folder / "blobs" / "second.incomplete").write_bytes(b"half")
    assert on_disk(entry).arrived == 9

    own = copytree(original, folder / "snapshots" / str(entry.revision))
    assert on_disk(entry).complete
    assert not on_disk(step).complete
    (folder / "refs").mkdir()
    (folder / "refs" / "step10000-tokens41B").write_text("c" * 40)
    assert not on_disk(step).complete
    copytree(original, folder / "snapshots" / ("c" * 40))
    assert on_disk(step).complete
    sorted(own.glob("*.safetensors"))[0].unlink()
    assert not on_disk(entry).complete


def test_what_another_revision_has_is_not_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files lie beside those of the others, under names that say nothing of whose they are."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    entry, step = find(REAL), find(f"{REAL}@step10000-tokens41B")
    assert entry is not None
    assert step is not None
    folder = tmp_path / "models--allenai--OLMoE-1B-7B-0924"
    own, others = folder / "snapshots" / str(entry.revision), folder / "snapshots" / ("c" * 40)
    for path in (folder / "blobs", folder / "refs", own, others):
        path.mkdir(parents=True)
    (folder / "refs" / "step10000-tokens41B").write_text("c" * 40)
    for name, size, users in (
        ("weights", 1000, [own]),
        ("other", 200, [others]),
        ("tokenizer", 30, [own, others]),
        ("new.incomplete", 4, []),
    ):
        (folder / "blobs" / name).write_bytes(b"x" * size)
        for user in users:
            (user / name).symlink_to(folder / "blobs" / name)
    assert on_disk(entry).arrived == 1034
    assert on_disk(step).arrived == 234


def test_models_of_the_hub_are_pinned_by_their_commit() -> None:
    for entry in CATALOGUE[1:]:
        assert re.fullmatch("[0-9a-f]{40}", str(entry.revision))
        assert find(entry.name) is entry
        assert with_revision(entry.name, entry.revision) == entry.name


def test_another_revision_is_another_model_of_the_same_sizes() -> None:
    name = with_revision(REAL, "step10000-tokens41B")
    assert name == f"{REAL}@step10000-tokens41B"
    step, final = find(name), find(REAL)
    assert step == replace(final, name=name, revision="step10000-tokens41B")
    assert find(f"{BUNDLED}@main") is None
    assert find("someone/else@main") is None


def test_a_hub_that_is_switched_off_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = CATALOGUE[1]
    assert not on_disk(entry).hub_is_off
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert on_disk(entry).hub_is_off
