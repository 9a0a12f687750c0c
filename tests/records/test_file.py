"""Damaged, cut and foreign files, each refused in a sentence, and what is read of them."""

import json
import struct
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st

from olmoe_viz import Trace
from olmoe_viz.records.file import MAX_BYTES, MAX_HEADER_BYTES, kind_of
from olmoe_viz.records.provenance import Provenance
from olmoe_viz.records.record import Record
from tests.records.files import Rewrite, join, kinds, refused, same_path, split


def test_the_unchanged_rewrite_is_read(rewrite: Rewrite):
    assert Trace.load(rewrite()).tokens


def test_the_kind_of_a_file_is_read_without_its_arrays(records: list[Record], tmp_path: Path):
    for record in records:
        record.save(tmp_path / "record")
        assert kind_of(tmp_path / "record") == record.kind
    with (tmp_path / "record").open("ab") as opened:
        opened.truncate(MAX_BYTES)
    assert kind_of(tmp_path / "record") == records[-1].kind


def test_every_record_is_refused_as_any_other_kind(records: list[Record], tmp_path: Path):
    for record in records:
        record.save(tmp_path / "record")
        for other in kinds():
            if other is not type(record):
                refused(tmp_path / "record", "a record of another kind", other)


class TestDamage:
    """Files that are not as they were written."""

    def test_one_wrong_byte_anywhere(self, path: Path, in_full: bool):
        whole = path.read_bytes()
        header = 8 + struct.unpack("<Q", whole[:8])[0]
        draw = np.random.default_rng(0)
        every, of_data = (1, 150) if in_full else (11, 20)
        places = [*range(0, header, every), *draw.integers(header, len(whole), of_data)]
        damaged = path.with_name("damaged")
        for place in [*places, len(whole) - 1]:
            changed = bytearray(whole)
            changed[place] ^= int(draw.integers(1, 256))
            damaged.write_bytes(changed)
            refused(damaged)

    def test_every_bit_of_the_checksum(self, path: Path, in_full: bool):
        whole = path.read_bytes()
        start = whole.index(b"sha256") + len(b'sha256\\": \\"')
        damaged = path.with_name("damaged")
        for place in range(start, start + 64):
            for bit in range(8) if in_full else [place % 8]:
                changed = bytearray(whole)
                changed[place] ^= 1 << bit
                damaged.write_bytes(changed)
                refused(damaged)

    def test_a_wrong_byte_in_every_kind_of_record(self, records: list[Record], tmp_path: Path):
        path = tmp_path / "damaged"
        for record in records:
            record.save(path)
            whole = path.read_bytes()
            for place in np.random.default_rng(1).integers(0, len(whole), 20):
                changed = bytearray(whole)
                changed[place] ^= 1
                path.write_bytes(changed)
                refused(path, kind=type(record))

    @same_path
    @given(share=st.floats(0, 1, exclude_max=True))
    def test_a_file_cut_anywhere(self, path: Path, share: float):
        whole = path.read_bytes()
        cut = path.with_name("cut")
        cut.write_bytes(whole[: int(share * len(whole))])
        refused(cut)

    def test_a_longer_file(self, path: Path):
        with path.open("ab") as opened:
            opened.write(b"more")
        refused(path, "bytes of arrays")

    def test_two_arrays_swapped(self, path: Path):
        header, data = split(path)
        entries = header["expert_ids"], header["token_ids"]
        header["expert_ids"], header["token_ids"] = reversed(entries)
        refused(join(path, header, data), "is not int")

    def test_a_checksum_that_is_missing(self, rewrite: Rewrite):
        refused(rewrite(description={"sha256": None}), "checksum is missing")

    @pytest.mark.parametrize("digest", ["0" * 63, "A" * 64, "\ud800" * 64, "0" * 65, 5, ["0"]])
    def test_a_checksum_that_is_none(self, rewrite: Rewrite, digest: object):
        refused(rewrite(description={"sha256": digest}))

    def test_a_checksum_in_another_place_does_not_count(self, path: Path):
        header, data = split(path)
        inner = json.loads(header["__metadata__"]["olmoe_viz"])
        header["sha256"] = inner["sha256"]
        inner["sha256"] = "0" * 64
        header["__metadata__"]["olmoe_viz"] = json.dumps(inner)
        text = json.dumps(header).encode()
        path.write_bytes(struct.pack("<Q", len(text)) + text + data)
        refused(path)

    def test_text_that_looks_like_a_checksum(
        self, make_trace: Callable[..., Trace], provenance: Provenance, tmp_path: Path
    ):
        zeros = "0" * 64
        lookalike = {"sha256": zeros, f'"sha256": "{zeros}"': f'\\"sha256\\": \\"{zeros}\\"'}
        kept = Provenance(**vars(provenance) | {"versions": lookalike})
        make_trace(provenance=kept, text=json.dumps(lookalike)).save(tmp_path / "run")
        assert Trace.load(tmp_path / "run").provenance == kept


class TestForeign:
    """Files of others."""

    @pytest.mark.parametrize("content", [b"", b"\0" * 8, b"{}", b"\xff" * 100, b"PK\x03\x04" * 9])
    def test_other_files(self, tmp_path: Path, content: bytes):
        (tmp_path / "other").write_bytes(content)
        refused(tmp_path / "other")

    @same_path
    @given(content=st.binary(max_size=64))
    def test_any_header(self, path: Path, content: bytes):
        other = path.with_name("other")
        other.write_bytes(struct.pack("<Q", len(content)) + content)
        refused(other)

    def test_a_model_file(self, tmp_path: Path):
        safetensors.numpy.save_file({"weight": np.zeros(3)}, tmp_path / "model")
        refused(tmp_path / "model", "not written by olmoe-viz")

    def test_a_file_of_format_1(self, make_trace: Callable[..., Trace], tmp_path: Path):
        trace = make_trace()
        described = {
            "kind": "trace",
            "format": 1,
            "text": trace.text,
            "tokens": trace.tokens,
            "token_bytes": [token.hex() for token in trace.token_bytes],
            "log_sum_exp": trace.log_sum_exp,
            "full": False,
            "policy": "k=2",
            "geometry": asdict(trace.geometry),
            "provenance": asdict(trace.provenance),
        }
        names = ("token_ids", "router_logits", "hidden_norms", "next_ids", "next_logits")
        arrays = {name: np.array(getattr(trace, name)) for name in names}
        path = tmp_path / "old"
        safetensors.numpy.save_file(arrays, path, {"olmoe_viz": json.dumps(described)})
        refused(
            path,
            "its format is 1, this version reads format 2. Record the run again, and save it "
            "with this version",
        )

    @pytest.mark.parametrize("form", [None, 3, "2", [[2]], 10**30, 2.5])
    def test_a_file_of_another_format(self, rewrite: Rewrite, form: object):
        refused(rewrite(description={"format": form}), "this version reads format 2")

    def test_no_such_file(self, tmp_path: Path):
        with pytest.raises(FileNotFoundError):
            Trace.load(tmp_path / "none")
        with pytest.raises(OSError, match="directory"):
            Trace.load(tmp_path)


class TestReadingIsBounded:
    """Nothing is read that the header does not account for; files here are holes on the disk."""

    def test_a_header_length_is_not_believed(self, tmp_path: Path):
        path = tmp_path / "long"
        with path.open("wb") as opened:
            opened.write(struct.pack("<Q", MAX_HEADER_BYTES + 1))
            opened.truncate(MAX_HEADER_BYTES + 100)
        refused(path, "longer than 16 MiB")

    def test_a_file_that_is_too_large(self, path: Path):
        with path.open("ab") as opened:
            opened.truncate(MAX_BYTES + 1)
        refused(path, "larger than 4 GiB")

    def test_arrays_are_not_read_before_the_length_is_right(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        (length,) = struct.unpack("<Q", path.read_bytes()[:8])
        with path.open("ab") as opened:
            opened.truncate(2**30)
        read = []
        opens = Path.open

        def watched(self: Path, *args: str):
            opened = opens(self, *args)
            count = opened.read
            monkeypatch.setattr(
                opened, "read", lambda size=-1: read.append(size) or count(size), raising=False
            )
            return opened

        monkeypatch.setattr(Path, "open", watched)
        refused(path, "bytes of arrays where")
        assert read == [8, length]
