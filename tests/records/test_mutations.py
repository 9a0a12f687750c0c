"""Files damaged at random: each is refused by our own error, before its arrays are believed."""

import json
import struct
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from olmoe_viz import Geometry, Trace
from tests.records.files import join, split

Draw = np.random.Generator
# Bytes that may be allocated, by other threads too, beside what is read; the file is larger.
SMALL = 2**20
NUMBERS = [-1, 0, 1, 7, 2**31, 2**62, 2**63, 2**64, 10**30, 1.5, True, None, "3", [], {}]


def bits(path: Path, draw: Draw) -> bytes:
    changed = bytearray(path.read_bytes())
    for place in draw.choice(len(changed), draw.integers(1, 9), replace=False):
        changed[place] ^= 1 << draw.integers(8)
    return bytes(changed)


def header_bits(path: Path, draw: Draw) -> bytes:
    changed = bytearray(path.read_bytes())
    changed[draw.integers(8, _start(changed))] ^= 1 << draw.integers(8)
    return bytes(changed)


def cuts(path: Path, draw: Draw) -> bytes:
    whole = path.read_bytes()
    if draw.random() < 0.2:
        return whole + draw.bytes(draw.integers(1, 100))
    return whole[: draw.integers(len(whole) if draw.random() < 0.5 else _start(whole))]


def lengths(path: Path, draw: Draw) -> bytes:
    whole = path.read_bytes()
    length = int(2 ** (draw.random() * 63.9)) ^ int(draw.integers(4))
    (right,) = struct.unpack("<Q", whole[:8])
    return struct.pack("<Q", length if length != right else right + 1) + whole[8:]


def digits(path: Path, draw: Draw) -> bytes:
    changed = bytearray(path.read_bytes())
    places = [place for place in range(8, _start(changed)) if chr(changed[place]).isdecimal()]
    place = draw.choice(places)
    changed[place] = ord("0") + (changed[place] - ord("0") + draw.integers(1, 10)) % 10
    return bytes(changed)


def headers(path: Path, draw: Draw) -> bytes:
    """A piece of the header is cut out, doubled or overwritten; its length is made right."""
    whole = path.read_bytes()
    text = whole[8 : _start(whole)]
    first = draw.integers(len(text) - 1)
    last = min(len(text), first + draw.integers(1, 60))
    piece = [b"", text[first:last] * 2, draw.bytes(last - first), b"[" * 5_000][draw.integers(4)]
    text = text[:first] + piece + text[last:]
    return struct.pack("<Q", len(text)) + text + whole[_start(whole) :]


def shapes(path: Path, draw: Draw) -> bytes:
    """What the header says of one array is a lie, and the checksum is made right."""
    header, data = split(path)
    names = [name for name in header if name != "__metadata__"]
    entry = header[names[draw.integers(len(names))]]
    lie = NUMBERS[draw.integers(len(NUMBERS))]
    what = ("dtype", "shape", "data_offsets")[draw.integers(3)]
    if what == "dtype" or draw.random() < 0.2:
        entry[what] = lie
    else:
        at = draw.integers(len(entry[what]))
        # As a number of JSON, not of Python: 1 and true are different.
        same = json.dumps(entry[what][at]) == json.dumps(lie)
        entry[what][at] = entry[what][at] + 1 if same else lie
    return join(path.with_name("lie"), header, data).read_bytes()


KINDS = [bits, header_bits, cuts, lengths, digits, headers, shapes]


def _start(whole: bytes | bytearray) -> int:
    """Return where the arrays begin."""
    return 8 + int(struct.unpack("<Q", whole[:8])[0])


@pytest.fixture
def large(make_trace: Callable[..., Trace], geometry: Geometry, tmp_path: Path) -> Path:
    """A file whose arrays are many times larger than its header."""
    wide = Geometry(**vars(geometry) | {"hidden": 12_000, "heads": 2})
    path = tmp_path / "run.safetensors"
    make_trace(full=True, geometry=wide).save(path)
    whole = path.read_bytes()
    assert len(whole) > 3 * SMALL > 30 * _start(whole)
    return path


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Bytes of everything that is read from now on by way of a path."""
    found: list[int] = []
    opens = Path.open

    def watched(self: Path, *args: str, **more: str):
        opened = opens(self, *args, **more)
        plain = opened.read

        def counted(size: int = -1) -> bytes:
            data = plain(size)
            found.append(len(data))
            return data

        opened.read = counted
        return opened

    monkeypatch.setattr(Path, "open", watched)
    return found


def test_2000_random_mutations(large: Path, read: list[int], in_full: bool):
    draw, damaged = np.random.default_rng(19), large.with_name("damaged")
    whole, seconds, late = large.read_bytes(), 0.0, 0
    tracemalloc.start()
    try:
        for turn in range(2_000 if in_full else 350):
            mutation = KINDS[turn % len(KINDS)]
            changed = mutation(large, draw)
            assert changed != whole, mutation.__name__
            damaged.write_bytes(changed)
            read.clear()
            tracemalloc.reset_peak()
            before, start = tracemalloc.get_traced_memory()[0], time.perf_counter()
            with pytest.raises(ValueError, match=r"^damaged is not a readable trace: ") as caught:
                Trace.load(damaged)
            seconds += time.perf_counter() - start
            peak = tracemalloc.get_traced_memory()[1] - before
            if "checksum" in str(caught.value) and sum(read) > _start(changed):
                late += 1
                assert sum(read) <= _start(changed) + len(changed)
                assert peak < 2 * len(changed) + SMALL
            else:
                assert sum(read) <= min(_start(changed), len(changed)), mutation.__name__
                assert peak < SMALL + 4 * sum(read), mutation.__name__
            assert mutation is not shapes or "checksum" not in str(caught.value)
    finally:
        tracemalloc.stop()
    assert 0 < late < turn / 2  # what only the checksum can tell, and no more
    sys.stdout.write(f"{turn + 1} damaged files refused in {seconds:.1f} s, {late} of them late\n")
