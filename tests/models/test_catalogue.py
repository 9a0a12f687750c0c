"""What the catalogue says of its models."""

import json
from pathlib import Path
from shutil import copytree

import huggingface_hub
import pytest
import torch

from olmoe_viz.models import memory
from olmoe_viz.models.catalogue import BUNDLED, CATALOGUE, bundled_path, find, on_disk
from olmoe_viz.numerics.geometry import OLMOE_1B_7B


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
    entry = find("allenai/OLMoE-1B-7B-0924")
    assert entry is not None
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    nothing = on_disk(entry)
    assert (nothing.complete, nothing.arrived) == (False, 0)
    assert nothing.free > 0

    folder = tmp_path / "cache" / "models--allenai--OLMoE-1B-7B-0924"
    (folder / "blobs").mkdir(parents=True)
    (folder / "blobs" / "first").write_bytes(b"whole")
    (folder / "blobs" / "second.incomplete").write_bytes(b"half")
    assert on_disk(entry).arrived == 9

    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("c" * 40)
    assert not on_disk(entry).complete
    copytree(original, folder / "snapshots" / ("c" * 40))
    assert on_disk(entry).complete
    sorted((folder / "snapshots" / ("c" * 40)).glob("*.safetensors"))[0].unlink()
    assert not on_disk(entry).complete


def test_a_hub_that_is_switched_off_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = CATALOGUE[1]
    assert not on_disk(entry).hub_is_off
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert on_disk(entry).hub_is_off
