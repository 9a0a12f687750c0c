"""One record in one safetensors file: arrays, and a JSON object in the file's metadata. Format 2.

Knows nothing about what the record means. A file is never trusted: its header is read first and
compared with the arrays that the record must have; the arrays are read only when the file is as
long as these make it, and believed only when the SHA-256 in the header is that of the whole file.

The digest stands in the header that it is taken over, so it is taken with 64 zeros in its place.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from io import SEEK_END, BytesIO
from math import prod
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError

Array = NDArray[Any]
# Name of each array -> numpy dtype name and shape.
Layout = Mapping[str, tuple[str, tuple[int, ...]]]
Source = Path | bytes  # a file, or what one holds

FORMAT = 2
MISSING_EXPERT = -1  # what stands where a token has fewer experts than a record has columns
MAX_HEADER_BYTES = 16 * 2**20
MAX_BYTES = 4 * 2**30
_LENGTH_BYTES = 8  # a safetensors file begins with the length of its JSON header
_DTYPES = {
    "float16": "F16",
    "float32": "F32",
    "float64": "F64",
    "int16": "I16",
    "int64": "I64",
    "uint8": "U8",
}
_DESCRIPTION = "olmoe_viz"
_NO_DIGEST = "0" * 64


@dataclass(frozen=True)
class Header:
    """What a file says of itself, before its checksum is known to be right.

    `facts` describes the record. `declared` has what the file says of each array, `raw` is the
    JSON text and `digest` the checksum in it; `data_bytes` follow the header.
    """

    kind: str
    facts: dict[str, Any]
    declared: dict[str, Any]
    digest: str
    raw: bytes
    data_bytes: int


def write(path: Path, kind: str, facts: Mapping[str, object], arrays: Mapping[str, Array]) -> None:
    """Write one record; ValueError when `facts` cannot be JSON, OSError from the file system.

    The file appears whole or not at all: it is written beside its place and then renamed.
    """
    parts = _parts(kind, facts, arrays)
    beside = path.with_name(f".{uuid4().hex}.part")
    try:
        with beside.open("xb") as file:
            for part in parts:
                file.write(part)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def content(kind: str, facts: Mapping[str, object], arrays: Mapping[str, Array]) -> bytes:
    """Return what a file of one record holds; ValueError when `facts` cannot be JSON."""
    return b"".join(_parts(kind, facts, arrays))


def _parts(
    kind: str, facts: Mapping[str, object], arrays: Mapping[str, Array]
) -> tuple[memoryview | bytes, ...]:
    """Return the bytes of a file: those before its checksum, the checksum, those after it."""
    description = {
        "sha256": _NO_DIGEST,
        "kind": kind,
        "format": FORMAT,
        "missing_expert": MISSING_EXPERT,
        "facts": facts,
    }
    described = json.dumps(description, allow_nan=False)
    # An array that is a view would be written with the order of what it is a view of.
    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    data = safetensors.numpy.save(whole, {_DESCRIPTION: described})
    place = data.index(_digest_entry(_NO_DIGEST))
    signed = _digest_entry(_digest(data, place))
    return memoryview(data)[:place], signed, memoryview(data)[place + len(signed) :]


def read_header(source: Source) -> Header:
    """Read what a file says of itself, and nothing after it.

    Raises ValueError with the rest of a sentence that begins with the file's name, and OSError
    when there is no such file or it may not be read.
    """
    raw, data_bytes = _raw_header(source)
    declared = _json_object(raw, "its header")
    metadata = declared.pop("__metadata__", None)
    described = metadata.get(_DESCRIPTION) if isinstance(metadata, dict) else None
    if not isinstance(described, str):
        raise ValueError("it was not written by olmoe-viz")
    description = _json_object(described, "its description")
    _check_format(description.get("format"))
    kind, facts, digest = (description.get(name) for name in ("kind", "facts", "sha256"))
    if not isinstance(kind, str) or not isinstance(facts, dict):
        raise ValueError("its description is damaged")
    if description.get("missing_expert") != MISSING_EXPERT:
        raise ValueError(f"it does not mark missing experts with {MISSING_EXPERT}")
    if not isinstance(digest, str) or not re.fullmatch("[0-9a-f]{64}", digest):
        raise ValueError("its checksum is missing or damaged")
    return Header(kind, facts, declared, digest, raw, data_bytes)


def read_header_of(kind: str, source: Source) -> Header:
    """Read what a file says of itself, if it holds that kind of record; errors as `read_header`."""
    header = read_header(source)
    if header.kind != kind:
        raise ValueError("it holds a record of another kind")
    return header


def read_arrays(source: Source, header: Header, expected: Layout) -> dict[str, Array]:
    """Read the arrays of a file whose header is known, which must be those expected.

    Errors as `read_header`.
    """
    _compare(header, expected)
    with _opened(source) as file:
        data = file.read(_LENGTH_BYTES + len(header.raw) + header.data_bytes)
    place = data.find(_digest_entry(header.digest))
    if place < 0 or _digest(data, place) != header.digest:
        raise ValueError("it is damaged: it differs from its checksum")
    try:
        return safetensors.numpy.load(data)
    except SafetensorError as error:
        raise ValueError(f"its arrays are damaged ({error})") from None


def array_bytes(layout: Layout) -> int:
    """Return the bytes that the arrays of a layout take in a file."""
    return sum(np.dtype(dtype).itemsize * prod(shape) for dtype, shape in layout.values())


def kind_of(source: Source) -> str:
    """Return the kind of record that a file says it holds; errors as `read_header`."""
    return read_header(source).kind


def _opened(source: Source) -> BinaryIO:
    return BytesIO(source) if isinstance(source, bytes) else source.open("rb")


def _raw_header(source: Source) -> tuple[bytes, int]:
    """Return the file's header, and the number of bytes that follow it."""
    with _opened(source) as file:
        size = file.seek(0, SEEK_END)
        file.seek(0)
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        if size > MAX_BYTES:
            raise ValueError(f"it is larger than {MAX_BYTES // 2**30} GiB")
        if size < _LENGTH_BYTES or length > size - _LENGTH_BYTES:
            raise ValueError("it is not a safetensors file, or it is cut off")
        if length > MAX_HEADER_BYTES:
            raise ValueError(f"its header is longer than {MAX_HEADER_BYTES // 2**20} MiB")
        return file.read(length), size - _LENGTH_BYTES - length


def _check_format(found: object) -> None:
    if found != FORMAT:
        named = found if isinstance(found, int) and abs(found) < 1_000 else "unknown"
        raise ValueError(
            f"its format is {named}, this version reads format {FORMAT}. "
            "Record the run again, and save it with this version"
        )


def _digest(data: bytes, place: int) -> str:
    """Return the SHA-256 of a whole file, with zeros in the entry at `place` that will hold it."""
    empty, view = _digest_entry(_NO_DIGEST), memoryview(data)
    found = hashlib.sha256(view[:place])
    found.update(empty)
    found.update(view[place + len(empty) :])
    return found.hexdigest()


def _digest_entry(digest: str) -> bytes:
    """Return how the header holds a digest: at the start of JSON text inside JSON text."""
    return f'\\"sha256\\": \\"{digest}\\"'.encode()


def _compare(header: Header, expected: Layout) -> None:
    """Compare the arrays that a file declares, and its length, with those it must hold."""
    if header.declared.keys() != expected.keys():
        different = ", ".join(sorted(header.declared.keys() ^ expected.keys())[:5])
        raise ValueError(f"arrays are missing from it or foreign to it ({different[:200]})")
    for name, (dtype, shape) in expected.items():
        entry = header.declared[name]
        found = (entry.get("dtype"), entry.get("shape")) if isinstance(entry, dict) else None
        if found != (_DTYPES[dtype], list(shape)):
            raise ValueError(f"{name} is not {dtype} of shape {list(shape)}")
    _check_places(header.declared, expected)
    total = array_bytes(expected)
    if header.data_bytes != total:
        raise ValueError(f"it holds {header.data_bytes:,} bytes of arrays where {total:,} belong")


def _check_places(declared: Mapping[str, Any], expected: Layout) -> None:
    """Raise ValueError unless the arrays are said to lie one behind the other."""
    places = []
    for name, entry in expected.items():
        place, size = declared[name].get("data_offsets"), array_bytes({name: entry})
        whole = isinstance(place, list) and all(type(offset) is int for offset in place)
        if not whole or len(place) != 2 or place[1] - place[0] != size:
            raise ValueError(f"{name} has another length than its shape")
        places.append(place)
    end = 0
    for first, last in sorted(places):
        if first != end:
            raise ValueError("its arrays do not lie one behind the other")
        end = last


def _json_object(text: str | bytes, what: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError(f"{what} is damaged") from None
    if not isinstance(value, dict):
        raise ValueError(f"{what} is damaged")
    return value
