"""The experts that vLLM and SGLang return with a text: `routed_experts`, ids without weights.

A file is the server's JSON answer, or the value alone. The value is one of: lists of ids [tokens,
layers, k]; base64 of a NumPy array of that shape (vLLM's `choices[].routed_experts`); base64 of
bare int32 (SGLang's `meta_info.routed_experts` and `sglext.routed_experts`), whose layers and k the
reader must know. The last token of a text has no routes there: it was never read.
"""

import base64
import binascii
import io
import json
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.exchange.routes import MAX_EXPERT, Routes, check_sizes

MAX_BYTES = 2**27
_NAME = "routed_experts"
_DEPTH = 5  # how deep in an answer the value may stand


def read(path: Path, layers: int, k: int) -> Routes:
    """Read an answer; ValueError in a sentence for a file that has no such value, OSError.

    `layers` and `k` give base64 of bare numbers their shape, and are not needed for others. The
    layers count from 0, as the server counts the layers of experts.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"it is larger than {MAX_BYTES // 2**20} MiB")
        ids = _ids(_value(_json(path)), layers, k)
        check_sizes((ids.shape[1], ids.shape[0], ids.shape[2]) if ids.ndim == 3 else ids.shape)
        if ids.min() < 0 or ids.max() > MAX_EXPERT:
            raise ValueError(f"an expert id is not from 0 to {MAX_EXPERT}")
        by_layer = np.ascontiguousarray(np.swapaxes(ids, 0, 1)).astype(np.int16)
        return Routes(tuple(range(len(by_layer))), by_layer)
    except ValueError as error:
        reason = str(error).rstrip(".")
        raise ValueError(f"{path.name} is not a readable answer of a server: {reason}.") from None


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON") from None


def _value(answer: Any) -> Any:
    """Return the first value named routed_experts, or the whole where it is one itself."""
    if isinstance(answer, str) or _is_ids(answer):
        return answer
    level = [answer]
    for _ in range(_DEPTH):
        for each in level:
            if isinstance(each, dict) and each.get(_NAME) is not None:
                return each[_NAME]
        level = [inner for each in level for inner in _inside(each)]
    raise ValueError(f"it has no {_NAME}")


def _is_ids(answer: Any) -> bool:
    while isinstance(answer, list) and answer:
        answer = answer[0]
    return isinstance(answer, int)


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _ids(value: Any, layers: int, k: int) -> NDArray[Any]:
    if isinstance(value, str):
        return _decoded(value, layers, k)
    try:
        ids = np.asarray(value)
    except ValueError:
        raise ValueError("the lists of ids are not of the same length") from None
    return _checked(ids)


def _decoded(value: str, layers: int, k: int) -> NDArray[Any]:
    try:
        data = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"{_NAME} is not base64") from None
    if data.startswith(b"\x93NUMPY"):
        return _checked(_numpy_file(data))
    if not data or len(data) % (4 * layers * k):
        raise ValueError(
            f"{len(data):,} bytes are not int32 of {layers} layers and {k} experts; "
            "say how many there are"
        )
    return np.frombuffer(data, "<i4").reshape(-1, layers, k)


def _numpy_file(data: bytes) -> NDArray[Any]:
    """Return the array of a NumPy file; its header must fit the bytes, so that no more are taken.

    Of a pickled array nothing is read: its header says that it holds objects.
    """
    file = io.BytesIO(data)
    first = np.lib.format.read_magic(file) == (1, 0)
    header = np.lib.format.read_array_header_1_0 if first else np.lib.format.read_array_header_2_0
    shape, by_columns, dtype = header(file)
    start = file.tell()
    if dtype.kind not in "iu" or prod(shape) * dtype.itemsize != len(data) - start:
        raise ValueError("its NumPy array is damaged, or does not hold whole numbers")
    return np.frombuffer(data, dtype, offset=start).reshape(shape, order="F" if by_columns else "C")


def _checked(ids: NDArray[Any]) -> NDArray[Any]:
    if ids.ndim != 3 or ids.dtype.kind not in "iu" or 0 in ids.shape:
        raise ValueError("the ids are not whole numbers [tokens, layers, k]")
    return ids
