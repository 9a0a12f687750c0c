"""One record in one safetensors file: arrays, and a JSON object in the file's metadata.

Knows nothing about what the record means. A file is never trusted: its header is read first and
compared with the arrays that the record must have, and only a file of exactly that size is read.
"""

import json
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

FORMAT = 1
MAX_HEADER_BYTES = 16 * 2**20
_METADATA_KEY = "olmoe_viz"
_DTYPES = {"float32": "F32", "int64": "I64"}


def write(path: Path, kind: str, fields: Mapping[str, object], arrays: Mapping[str, Array]) -> None:
    """Write one record; ValueError when `fields` cannot be JSON, OSError from the file system."""
    metadata = json.dumps({"kind": kind, "format": FORMAT, **fields}, allow_nan=False)
    path.write_bytes(safetensors.numpy.save(dict(arrays), {_METADATA_KEY: metadata}))


def read(
    path: Path, kind: str, layout: Callable[[dict[str, Any]], Layout]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read one record of `kind` and return its fields and arrays.

    `layout` says, from the fields, which arrays the file must hold; it may raise ValueError.
    Raises ValueError with the rest of a sentence that begins with the file's name, and OSError
    when there is no such file or it may not be read.
    """
    header, data_bytes = _header(path)
    fields = _fields(header, kind)
    expected = layout(fields)
    _compare(header, expected, data_bytes)
    try:
        return fields, safetensors.numpy.load_file(path)
    except SafetensorError as error:
        raise ValueError(f"its arrays are damaged ({error})") from None


def _header(path: Path) -> tuple[dict[str, Any], int]:
    """Return the file's JSON header and the number of bytes that follow it."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > size - 8:
            raise ValueError("it is not a safetensors file, or it is cut off")
        if length > MAX_HEADER_BYTES:
            raise ValueError(f"its header is longer than {MAX_HEADER_BYTES // 2**20} MiB")
        header = _json_object(file.read(length), "its header")
    return header, size - 8 - length


def _fields(header: dict[str, Any], kind: str) -> dict[str, Any]:
    metadata = header.get("__metadata__")
    text = metadata.get(_METADATA_KEY) if isinstance(metadata, dict) else None
    if not isinstance(text, str):
        raise ValueError("it was not written by olmoe-viz")
    fields = _json_object(text, "its description")
    if fields.get("kind") != kind:
        raise ValueError(f"it does not hold a {kind}")
    if fields.get("format") != FORMAT:
        raise ValueError(f"its format is not {FORMAT}, the one this version reads")
    return fields


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
