"""When in training the router settled: its choices on one fixed text at several checkpoints.

Needs no torch. The file is recorded data, and like every file it is believed only when it fits.
"""

import json
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from olmoe_viz.numerics.geometry import OLMOE_1B_7B

BUNDLED = Path(__file__).parent.parent / "data" / "router_checkpoints.safetensors"
MAX_BYTES = 64 * 2**20
_DTYPES = {"choices": ("U8", 4), "token_ids": ("U16", 2)}


@dataclass(frozen=True, eq=False)
class RouterCheckpoints:
    """The experts that each checkpoint selects for the same tokens.

    `shares` is float64 [checkpoints], how much of the training was done, rising. `choices` is uint8
    [checkpoints, layers, tokens, k], best first. `token_ids` is int64 [domains, tokens of each],
    whose rows in a line are the tokens of `choices`; `domains` are their names.
    """

    shares: NDArray[np.float64]
    choices: NDArray[np.uint8]
    token_ids: NDArray[np.int64]
    domains: tuple[str, ...]


def load_router_checkpoints(path: str | PathLike[str] = BUNDLED) -> RouterCheckpoints:
    """Read router checkpoints, by default the bundled model's.

    Raises ValueError in a sentence for a file that does not hold them, OSError when there is none.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"it is larger than {MAX_BYTES // 2**20} MiB")
        arrays, metadata = _read(path)
        checkpoints = RouterCheckpoints(
            shares=np.array(_listed(metadata, "shares", int | float), dtype=np.float64),
            choices=arrays["choices"],
            token_ids=arrays["token_ids"].astype(np.int64),
            domains=tuple(_listed(metadata, "domains", str)),
        )
        _check(checkpoints)
    except SafetensorError as error:
        raise ValueError(f"{path.name} is not a readable safetensors file ({error}).") from None
    except ValueError as error:
        raise ValueError(f"{path.name} does not hold router checkpoints: {error}.") from None
    return checkpoints


def saturation(checkpoints: RouterCheckpoints, k: int | None = None) -> NDArray[np.float64]:
    """Return router saturation, float64 [checkpoints, layers], from 0 to 1; 1 for the last.

    The share of a checkpoint's `k` experts that the last checkpoint selects for the same token,
    averaged over the tokens (arXiv 2409.02060, equation 5). Without `k` all recorded choices count.
    By chance it is about k / experts. Raises ValueError for a k that was not recorded.
    """
    recorded = checkpoints.choices.shape[-1]
    k = recorded if k is None else k
    if not 1 <= k <= recorded:
        raise ValueError(f"k must be from 1 to {recorded}, as recorded; it is {k}.")
    best = checkpoints.choices[..., :k]
    kept = (best[..., :, None] == best[-1][..., None, :]).any(axis=-1)
    return np.asarray(kept.mean(axis=(-2, -1)))


def _read(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Return the two arrays, of the right dtypes and numbers of axes, and the metadata."""
    with safe_open(path, framework="np") as file:
        names = set(file.keys())
        if names != _DTYPES.keys():
            raise ValueError("it has other arrays than choices and token_ids")
        for name, (dtype, axes) in _DTYPES.items():
            entry = file.get_slice(name)
            if entry.get_dtype() != dtype or len(entry.get_shape()) != axes:
                raise ValueError(f"{name} is not {dtype} with {axes} axes")
        return {name: file.get_tensor(name) for name in names}, file.metadata() or {}


def _listed(metadata: dict[str, str], name: str, kind: Any) -> list[Any]:
    try:
        values = json.loads(metadata.get(name, ""))
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, list) or not all(isinstance(value, kind) for value in values):
        raise ValueError(f"its {name} are missing or damaged")
    return values


def _check(checkpoints: RouterCheckpoints) -> None:
    shares, choices = checkpoints.shares, checkpoints.choices
    if not choices.size:
        raise ValueError("it is empty")
    if len(shares) != len(choices) or len(checkpoints.domains) != len(checkpoints.token_ids):
        raise ValueError("its shares or domains are not as many as its arrays have")
    if not ((shares > 0) & (shares <= 1)).all() or (np.diff(shares) <= 0).any():
        raise ValueError("its shares do not rise from above 0 to at most 1")
    if choices.shape[2] != checkpoints.token_ids.size:
        raise ValueError("its choices are not for the tokens that it names")
    if choices.max() >= OLMOE_1B_7B.experts:
        raise ValueError(f"an expert is not below {OLMOE_1B_7B.experts}")
    if (np.diff(np.sort(choices, axis=-1).astype(np.int16), axis=-1) == 0).any():
        raise ValueError("a token has the same expert twice")
