"""Damaged, cut, lying and foreign files, each refused in a sentence; and writing all or nothing."""

import hashlib
import json
import re
import struct
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from olmoe_viz import Generation, Trace
from olmoe_viz.records import file
from olmoe_viz.records.file import MAX_BYTES, MAX_HEADER_BYTES, kind_of
from olmoe_viz.records.provenance import Provenance
from olmoe_viz.records.record import MAX_TOKENS, Record

Rewrite = Callable[..., Path]
SUM = re.compile(rb'(?<=\\"sha256\\": \\")[0-9a-f]{64}(?=\\")')
SUM_OF_NONE = b"0" * 64
same_path = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def path(make_trace: Callable[..., Trace], tmp_path: Path) -> Path:
    path = tmp_path / "run.safetensors"
    make_trace(full=True).save(path)
    return path


def split(path: Path) -> tuple[dict, bytes]:
    """Return the header of a file, and what follows it."""
    whole = path.read_bytes()
    (length,) = struct.unpack("<Q", whole[:8])
    return json.loads(whole[8 : 8 + length]), whole[8 + length :]


def join(path: Path, header: object, data: bytes) -> Path:
    """Write a file; a checksum in its header is made right, as somebody with bad intent would."""
    text = SUM.sub(SUM_OF_NONE, json.dumps(header).encode(), count=1)
    whole = struct.pack("<Q", len(text)) + text + data
    digest = hashlib.sha256(whole).hexdigest().encode()
    path.write_bytes(whole.replace(b"0" * 64, digest, 1) if SUM.search(text) else whole)
    return path


@pytest.fixture
def rewrite(path: Path) -> Rewrite:
    """Change the header of a file, its description, or the facts in it; the checksum is right."""

    def rewritten(
        header: dict | None = None, description: dict | None = None, **facts: object
    ) -> Path:
        parts, data = split(path)
        inner = json.loads(parts["__metadata__"]["olmoe_viz"])
        inner = inner | {"facts": inner["facts"] | facts} | (description or {})
        parts["__metadata__"]["olmoe_viz"] = json.dumps(inner)
        return join(path, parts | (header or {}), data)

    return rewritten


def refused(path: Path, sentence: str = "", kind: type[Record] = Trace) -> None:
    name = f"{path.name} is not a readable {kind.kind}"
    with pytest.raises(ValueError, match=rf"^{name}: .*{sentence}.*\.$") as caught:
        kind.load(path)
    assert len(str(caught.value)) < 500
    assert "\n" not in str(caught.value)


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
        for other in Record.__subclasses__():
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


class TestLies:
    """Files whose checksum is right and whose header is not."""

    @pytest.mark.parametrize(
        ("facts", "sentence"),
        [
            ({"text": None}, "text is missing or damaged"),
            ({"text": "\ud800"}, "surrogate"),
            ({"tokens": "abc"}, "tokens is missing or damaged"),
            ({"tokens": [1] * 11}, "tokens is missing or damaged"),
            ({"tokens": ["a"] * (MAX_TOKENS + 1)}, "8192 tokens"),
            ({"tokens": []}, "1 to 8192"),
            ({"tokens": ["a"] * 10}, "token_ids is not int64"),
            ({"tokens": ["a" * 4001] * 11}, "4,000 characters"),
            ({"token_bytes": ["zz"] * 11}, "token_bytes is missing or damaged"),
            ({"token_bytes": ["00"] * 10}, "10 token bytes for 11"),
            ({"log_sum_exp": "9"}, "log_sum_exp is missing or damaged"),
            ({"log_sum_exp": 10**400}, "log_sum_exp is missing or damaged"),
            ({"log_sum_exp": float("nan")}, "log_sum_exp is missing or damaged"),
            ({"log_sum_exp": True}, "log_sum_exp is missing or damaged"),
            ({"geometry": {}}, "layers is missing or damaged"),
            ({"geometry": []}, "Geometry is incomplete"),
            ({"provenance": {"model": "x"}}, "revision is missing or damaged"),
            ({"provenance": None}, "Provenance is incomplete"),
            ({"request": "k=2"}, "TraceRequest is incomplete"),
            ({"more": 1}, "unknown fields"),
        ],
    )
    def test_facts_that_do_not_fit(self, rewrite: Rewrite, facts: dict, sentence: str):
        refused(rewrite(**facts), sentence)

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            ({"policy": "k=9"}, "from 1 to 8"),
            ({"policy": "all"}, "Not a routing policy"),
            ({"policy": 2}, "policy is missing or damaged"),
            ({"detail": "routing"}, "foreign to it"),
            ({"detail": ["full"]}, "detail is missing or damaged"),
            ({"text": [2**63]}, "text is missing or damaged"),
            ({"text": [[1]]}, "text is missing or damaged"),
        ],
    )
    def test_a_request_that_does_not_fit(
        self, path: Path, rewrite: Rewrite, change: dict, sentence: str
    ):
        header, _ = split(path)
        request = json.loads(header["__metadata__"]["olmoe_viz"])["facts"]["request"]
        refused(rewrite(request=request | change), sentence)

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            ({"layers": 10**15}, "at most 1,000 layers"),
            ({"layers": 10**15, "moe_layers": []}, "at most 1,000 layers"),
            ({"hidden": 2**62}, "of shape"),
            ({"hidden": 2**63}, "hidden is missing or damaged"),
            ({"hidden": 10**4000}, "hidden is missing or damaged"),
            ({"experts": 9, "moe_layers": []}, "of shape"),
            ({"moe_layers": [[2, 8, 2, 8]]}, "MoeLayer is incomplete"),
            ({"moe_layers": [{"layer": 3, "experts": 8, "trained_k": 2, "largest_k": 8}]}, "order"),
        ],
    )
    def test_a_geometry_that_the_arrays_do_not_have(
        self, rewrite: Rewrite, make_trace: Callable[..., Trace], change: dict, sentence: str
    ):
        geometry = asdict(make_trace().geometry) | {"heads": 1, "kv_heads": 1} | change
        refused(rewrite(geometry=geometry), sentence)

    def test_provenance_versions_must_be_a_table(self, rewrite: Rewrite, provenance: Provenance):
        for versions in (3, {"a": 1}, {"a": None}, ["a"]):
            refused(rewrite(provenance=vars(provenance) | {"versions": versions}), "versions")

    @pytest.mark.parametrize(
        "entry",
        [
            {"dtype": "F16", "shape": [11], "data_offsets": [0, 88]},
            {"dtype": "I64", "shape": [10**18], "data_offsets": [0, 8 * 10**18]},
            {"dtype": "I64", "shape": [11], "data_offsets": [4, 92]},
            {"dtype": "I64", "shape": [11], "data_offsets": [0, 10**15]},
            {"dtype": "I64", "shape": [11], "data_offsets": [0, -1]},
            {"dtype": "I64", "shape": [11]},
            {"dtype": "I64", "shape": "11", "data_offsets": [0, 88]},
            {"dtype": ["I64"], "shape": [[11]], "data_offsets": [0, 88]},
            {"dtype": "I64"},
            "none",
            None,
        ],
    )
    def test_headers_that_lie(self, rewrite: Rewrite, entry: object):
        refused(rewrite({"token_ids": entry}))

    def test_foreign_arrays(self, rewrite: Rewrite):
        entry = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
        refused(rewrite({"expert_outputs": entry}), "foreign to it .expert_outputs.")

    def test_missing_arrays(self, path: Path):
        header, data = split(path)
        del header["weights"]
        refused(join(path, header, data), "missing from it .* .weights.")

    def test_arrays_that_are_not_finite(self, path: Path):
        header, data = split(path)
        start = header["hidden_norms"]["data_offsets"][0]
        data = data[:start] + struct.pack("<f", float("nan")) + data[start + 4 :]
        refused(join(path, header, data), "hidden_norms has values that are not finite")

    @pytest.mark.parametrize("metadata", [None, [], "", {}, {"olmoe_viz": {}}, {"olmoe_viz": "["}])
    def test_metadata_that_is_none(self, path: Path, metadata: object):
        header, data = split(path)
        refused(join(path, header | {"__metadata__": metadata}, data))

    @pytest.mark.parametrize("described", ["[]", "null", "2", '"trace"', "[" * 100_000])
    def test_a_description_that_is_none(self, path: Path, described: str):
        header, data = split(path)
        refused(join(path, header | {"__metadata__": {"olmoe_viz": described}}, data))

    @pytest.mark.parametrize("description", [{"kind": 1}, {"kind": None}, {"facts": []}])
    def test_a_description_of_nothing(self, rewrite: Rewrite, description: dict):
        refused(rewrite(description=description), "description is damaged")

    @pytest.mark.parametrize(
        "text", ["[" * 100_000, '{"a":' * 100_000, "9" * 5_000, "NaN", "[]", "\ud800"]
    )
    def test_a_header_that_is_no_object(self, tmp_path: Path, text: str):
        raw = text.encode("utf-8", errors="surrogatepass")
        (tmp_path / "odd").write_bytes(struct.pack("<Q", len(raw)) + raw)
        refused(tmp_path / "odd", "header is damaged")


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
