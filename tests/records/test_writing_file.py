"""A file appears whole or not at all."""

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.numpy

from olmoe_viz import Generation, Trace
from olmoe_viz.records import file
from olmoe_viz.records.file import kind_of


class TestWriting:
    """A file appears whole or not at all."""

    def test_a_failing_write_leaves_the_old_file(
        self, path: Path, make_trace: Callable[..., Trace], monkeypatch: pytest.MonkeyPatch
    ):
        before = path.read_bytes()

        def full_disk(*_: object) -> None:
            raise OSError("No space left on device")

        monkeypatch.setattr(Path, "replace", full_disk)
        with pytest.raises(OSError, match="No space left"):
            make_trace(seed=1).save(path)
        assert path.read_bytes() == before
        assert [each.name for each in path.parent.iterdir()] == [path.name]

    def test_a_write_that_breaks_off_leaves_nothing(
        self, make_trace: Callable[..., Trace], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        def broken(*_: object) -> str:
            raise MemoryError

        monkeypatch.setattr(file, "_digest_entry", broken)
        with pytest.raises(MemoryError):
            make_trace().save(tmp_path / "run")
        assert list(tmp_path.iterdir()) == []

    def test_an_old_file_is_replaced(self, path: Path, make_generation: Callable[..., Generation]):
        make_generation().save(path)
        assert kind_of(path) == "generation"
        assert [each.name for each in path.parent.iterdir()] == [path.name]

    def test_a_folder_that_is_not_there(self, make_trace: Callable[..., Trace], tmp_path: Path):
        with pytest.raises(FileNotFoundError):
            make_trace().save(tmp_path / "none" / "run")

    def test_facts_that_are_not_json(self, tmp_path: Path):
        with pytest.raises(ValueError, match="JSON"):
            file.write(tmp_path / "run", "trace", {"seconds": float("nan")}, {})
        assert list(tmp_path.iterdir()) == []

    def test_the_header_is_aligned_for_whoever_maps_the_arrays(self, path: Path):
        assert struct.unpack("<Q", path.read_bytes()[:8])[0] % 8 == 0
        with safetensors.safe_open(path, "numpy") as opened:
            assert set(opened.keys()) > {"router_logits", "expert_ids"}
