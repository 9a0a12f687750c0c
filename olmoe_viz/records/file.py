"""One record in one safetensors file: arrays, and a JSON object in the file's metadata. Format 2.

Knows nothing about what the record means. A file is never trusted: size and header are read first
and compared with the arrays that the record must have; only a file of exactly that size is read,
and only one whose SHA-256, taken over every byte of it, is the one in its header is believed.

The digest stands in the header it is taken over, so it is taken with 64 zeros in its place.
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError

Array = NDArray[Any]
# Name of each array -> numpy dtype name and shape.
Layout = Mapping[str, tuple[str, tuple[int, ...]]]

FORMAT = 2
MAX_HEADER_BYTES = 16 * 2**20
MAX_BYTES = 4 * 2**30
_METADATA_KEY, _SUM_KEY = "olmoe_viz", "sha256"
_DTYPES = {"float32": "F32", "float64": "F64", "int16": "I16", "int64": "I64", "uint8": "U8"}
_NO_SUM = "0" * 64


def write(path: Path, kind: str, fields: Mapping[str, object], arrays: Mapping[str, Array]) -> None:
    """Write one record; ValueError when `fields` cannot be JSON, OSError from the file system.

    The file appears whole or not at all: it is written beside its place and then renamed.
    """
    described = json.dumps({"kind": kind, "format": FORMAT, **fields}, allow_nan=False)
    # An array that is a view would be written with the order of what it is a view of.
    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    data = safetensors.numpy.save(whole, {_METADATA_KEY: described, _SUM_KEY: _NO_SUM})
    found = hashlib.sha256(data).hexdigest()
    data = data.replace(_sum_entry(_NO_SUM), _sum_entry(found), 1)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        beside.write_bytes(data)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def read(
    path: Path, kind: str, layout: Callable[[dict[str, Any]], Layout]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read one record of `kind` and return its fields and arrays.

    `layout` says, from the fields, which arrays the file must hold; it may raise ValueError.
    Raises ValueError with the rest of a sentence that begins with the file's name, and OSError
    when there is no such file or it may not be read.
    """
    header, raw, data_bytes = _header(path)
    fields = _fields(header)
    if fields.pop("kind", None) != kind:
        raise ValueError(f"it does not hold a {kind}")
    _compare(header, layout(fields), data_bytes)
    data = path.read_bytes()
    _check_sum(data, raw, header)
    try:
        return fields, safetensors.numpy.load(data)
    except SafetensorError as error:
        raise ValueError(f"its arrays are damaged ({error})") from None


def kind_of(path: Path) -> str:
    """Return the kind of record that a file says it holds; errors as `read`."""
    kind = _fields(_header(path)[0]).get("kind")
    if not isinstance(kind, str):
        raise ValueError("it does not say what it holds")
    return kind


def _header(path: Path) -> tuple[dict[str, Any], bytes, int]:
    """Return the file's JSON header, its bytes, and the number of bytes that follow it."""
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ValueError(f"it is larger than {MAX_BYTES // 2**30} GiB")
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > size - 8:
            raise ValueError("it is not a safetensors file, or it is cut off")
        if length > MAX_HEADER_BYTES:
            raise ValueError(f"its header is longer than {MAX_HEADER_BYTES // 2**20} MiB")
        raw = file.read(length)
    return _json_object(raw, "its header"), raw, size - 8 - length


def _fields(header: dict[str, Any]) -> dict[str, Any]:
    text = _metadata(header).get(_METADATA_KEY)
    if not isinstance(text, str):
        raise ValueError("it was not written by olmoe-viz")
    fields = _json_object(text, "its description")
    found = fields.pop("format", None)
    if found != FORMAT:
        raise ValueError(
            f"its format is {str(found)[:20]}, this version reads format {FORMAT}. "
            "Record the run again, and save it with this version"
        )
    return fields


def _metadata(header: dict[str, Any]) -> dict[str, Any]:
    metadata = header.get("__metadata__")
    return metadata if isinstance(metadata, dict) else {}


def _check_sum(data: bytes, raw: bytes, header: dict[str, Any]) -> None:
    """Compare the digest in the header with that of the file, taken with zeros in its place."""
    said = _metadata(header).get(_SUM_KEY)
    entry = _sum_entry(said) if isinstance(said, str) and len(said) == len(_NO_SUM) else b""
    if not entry or raw.count(entry) != 1:
        raise ValueError("its checksum is missing or damaged")
    place = 8 + raw.index(entry)
    found = hashlib.sha256(data[:place])
    found.update(_sum_entry(_NO_SUM))
    found.update(memoryview(data)[place + len(entry) :])
    if found.hexdigest() != said:
        raise ValueError("it is damaged: it differs from its checksum")


def _sum_entry(digest: str) -> bytes:
    return f'"{_SUM_KEY}":"{digest}"'.encode()


def _compare(header: dict[str, Any], expected: Layout, data_bytes: int) -> None:
    found = header.keys() - {"__metadata__"}
    if found != expected.keys():
        different = ", ".join(sorted(found ^ expected.keys())[:5])
        raise ValueError(f"arrays are missing from it or foreign to it ({different[:200]})")
    total = 0
    for name, (dtype, shape) in expected.items():
        entry = header[name]
        declared = (entry.get("dtype"), entry.get("shape")) if isinstance(entry, dict) else None
        if declared != (_DTYPES[dtype], list(shape)):
            raise ValueError(f"{name} is not {dtype} of shape {list(shape)}")
        total += _bytes(dtype, shape)
    if data_bytes != total:
        raise ValueError(f"it holds {data_bytes:,} bytes of arrays where {total:,} belong")


def _bytes(dtype: str, shape: tuple[int, ...]) -> int:
    total = np.dtype(dtype).itemsize
    for length in shape:
        total *= length
    return total


def _json_object(text: str | bytes, what: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError(f"{what} is damaged") from None
    if not isinstance(value, dict):
        raise ValueError(f"{what} is damaged")
    return value
