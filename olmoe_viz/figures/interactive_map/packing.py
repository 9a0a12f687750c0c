"""Arrays as base64 bytes for the browser, token by token; numbers are fixed-point."""

import base64
from typing import Any

import numpy as np
from numpy.typing import NDArray


def text(values: NDArray[Any]) -> str:
    """Return the bytes of an array as they lie in memory."""
    return base64.b64encode(values.tobytes()).decode("ascii")


def by_token(values: NDArray[Any]) -> NDArray[Any]:
    """Turn [layers, tokens, ...] into [tokens, layers, ...]."""
    return np.ascontiguousarray(np.swapaxes(values, 0, 1))


def fixed(values: NDArray[np.float64], low: float, high: float, depth: int) -> str:
    """Return `depth` bytes for each number, in the order that they have."""
    levels = 256**depth - 1
    share = np.clip((values - low) / ((high - low) or 1.0), 0.0, 1.0)
    return text(np.rint(share * levels).astype(f"<u{depth}"))


def bits(values: NDArray[np.bool_]) -> str:
    """Return a bit for each cell of [layers, tokens]."""
    return text(np.packbits(by_token(values), bitorder="little"))
