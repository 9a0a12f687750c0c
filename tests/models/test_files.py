"""Whether the files of a checkpoint are whole: headers, index and checksums."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

import pytest

import olmoe_viz as ov
from olmoe_viz.models import files, load
from olmoe_viz.models.catalogue import bundled_path

Copied = Callable[[], Path]


def refused(words: str, name: object) -> None:
    with pytest.raises(ov.ModelError, match=words):
        ov.load_model(str(name))


def sums(folder: Path, form: str = "{digest}  {name}") -> list[str]:
    """Lines of a SHA256SUMS for the weight files."""
    return [
        form.format(digest=hashlib.sha256(file.read_bytes()).hexdigest(), name=file.name)
        for file in sorted(folder.glob("*.safetensors"))
    ]


def change_header(shard: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Write a shard again after `change` has spoiled what its header says of each tensor."""
    content = shard.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    for name in header.keys() - {"__metadata__"}:
        change(header[name])
    spoiled = json.dumps(header).encode()
    shard.write_bytes(len(spoiled).to_bytes(8, "little") + spoiled + content[end:])


def test_damaged_files_are_named(copied: Copied) -> None:
    folder = copied()
    shard = sorted(folder.glob("*.safetensors"))[0]
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-100])
    refused(f"{shard.name} is incomplete or damaged", folder)
    shard.write_bytes(b"\xff" * 1000)
    refused(f"{shard.name} is damaged", folder)
    shard.write_bytes(whole)
    index = folder / "model.safetensors.index.json"
    listed = json.loads(index.read_text())
    index.write_text(json.dumps(listed | {"weight_map": {"a": "../secret"}}))
    refused("index.json is damaged", folder)
    for text in ("{}", "[" * 10**5):
        index.write_text(text)
        refused("index.json is damaged", folder)


def test_one_flipped_bit_is_found_by_the_checksum(copied: Copied) -> None:
    folder = copied()
    shards = sorted(folder.glob("*.safetensors"))
    (folder / "SHA256SUMS").write_text("\n".join(sums(folder)))
    ov.load_model(str(folder))
    content = bytearray(shards[1].read_bytes())
    content[-1] ^= 1
    shards[1].write_bytes(content)
    refused(f"{shards[1].name} is damaged: it differs from its checksum", folder)
    (folder / "SHA256SUMS").write_text("0" * 64 + "  ../config.json")
    refused("SHA256SUMS lists", folder)


@pytest.mark.parametrize(
    "form", ["{digest}  ./{name}\n", "{digest} *{name}\r\n", "{digest}  {name}"]
)
@pytest.mark.parametrize("case", [str.lower, str.upper])
def test_checksums_are_read_in_every_usual_form(
    copied: Copied, monkeypatch: pytest.MonkeyPatch, form: str, case: Callable[[str], str]
) -> None:
    folder = copied()
    monkeypatch.setattr(load, "bundled_path", lambda: folder)
    lines = [case(line[:64]) + line[64:] for line in sums(folder, form)]
    (folder / "SHA256SUMS").write_text("\n".join(["", *lines, "  ", ""]))
    assert ov.load_model("olmoe-nano").geometry.layers == 3


def test_checksums_that_are_not_readable_are_refused(copied: Copied) -> None:
    folder = copied()
    (folder / "SHA256SUMS").write_bytes(b"\xff\xfe")
    refused("SHA256SUMS is damaged", folder)
    (folder / "SHA256SUMS").write_text("0" * 64)
    refused("SHA256SUMS is damaged: it has the line '000", folder)


def test_the_bundled_model_must_have_its_checksums(
    copied: Copied, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copied()
    monkeypatch.setattr(load, "bundled_path", lambda: folder)
    refused("SHA256SUMS is missing", "olmoe-nano")
    lines = sums(folder)
    for kept in (["", " "], lines[1:], lines[:-1]):
        (folder / "SHA256SUMS").write_text("\n".join(kept))
        refused("SHA256SUMS does not list model-000", "olmoe-nano")
        ov.load_model(str(folder))  # a folder of one's own need not have any
    assert (bundled_path() / "SHA256SUMS").is_file()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda entry: entry.update(dtype="F99"), "weight file .* is damaged: .*F99"),
        (lambda entry: entry.update(dtype="I64"), "weight file .* is damaged"),
        (lambda entry: entry["data_offsets"].__setitem__(0, 1), "weight file .* is damaged"),
        (lambda entry: entry.update(data_offsets=["a", "b"]), "header is not readable"),
        (lambda entry: entry.update(data_offsets=[0.0, 1.5]), "header is not readable"),
        (lambda entry: entry.update(data_offsets=[0]), "header is not readable"),
    ],
)
def test_a_header_that_lies_is_refused(
    copied: Copied, change: Callable[[dict[str, Any]], object], words: str
) -> None:
    folder = copied()
    change_header(sorted(folder.glob("*.safetensors"))[0], change)
    refused(words, folder)


def test_weights_are_hashed_while_they_are_read(
    original: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading = Event()
    hashed, read = files._piece_digest, load._weights

    def waiting(file: Path, start: int) -> str:
        assert reading.wait(60), "the weights wait for their digest"
        return hashed(file, start)

    def begun(*values: Any) -> Any:
        reading.set()
        return read(*values)

    monkeypatch.setattr(files, "_piece_digest", waiting)
    monkeypatch.setattr(load, "_weights", begun)
    weights = files.weight_files(original)
    assert len(weights) > 1
    assert ov.load_model(str(original)).digest == files.digest(weights)


def test_the_pieces_of_a_large_file_are_hashed_by_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_PIECE", 1000)
    monkeypatch.setattr(files, "_BLOCK", 250)
    content = bytes(range(250)) * 10  # two pieces and a half
    file = tmp_path / "weights"
    file.write_bytes(content)
    pieces = [hashlib.sha256(content[at : at + 1000]).hexdigest() for at in (0, 1000, 2000)]
    of_file = hashlib.sha256("\n".join(pieces).encode()).hexdigest()
    assert files.digest([file]) == f"sha256:{hashlib.sha256(of_file.encode()).hexdigest()}"
    file.write_bytes(content[:-1] + b"!")
    assert files.digest([file]) != f"sha256:{hashlib.sha256(of_file.encode()).hexdigest()}"


def test_a_file_that_is_gone_while_it_is_hashed_is_told(original: Path) -> None:
    with pytest.raises(FileNotFoundError):
        files.digest([original / "none.safetensors"])
