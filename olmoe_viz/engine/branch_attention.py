"""Attention of branches: each token sees the text before its branch, and its branch up to itself.

The text is one matrix of keys for all branches, so that their products with it are one product.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from olmoe_viz.engine.cache import Pair

_PRODUCTS = 2**20  # of queries and keys of a head at a time, unless one branch has more


class _Run(NamedTuple):
    """Branches side by side that are equally long; `unseen` bool [branches, 1, text]."""

    rows: slice
    length: int
    unseen: Tensor


class BranchAttention:
    """Where branches leave the text, int64 [branches], and how many tokens each has.

    Their tokens stand side by side in one row, branch by branch.
    """

    def __init__(
        self, firsts: NDArray[np.int64], lengths: NDArray[np.int64], device: torch.device
    ) -> None:
        self._runs = list(_runs(firsts, lengths, device))

    def look(
        self, entries: Pair, queries: Tensor, keys: Tensor, values: Tensor, scaling: float
    ) -> Tensor:
        """Return what the tokens read; `entries` are a layer's of the text. See `Look`."""
        text_keys, text_values = (each.view(len(each), *keys.shape[2:]) for each in entries)
        asked, keys, values = queries[0] * scaling, keys[0], values.view_as(keys[0])
        parts = [
            _read(run, asked[rows], keys[rows], values[rows], text_keys, text_values)
            for run in self._runs
            for rows in [run.rows]
        ]
        return torch.cat(parts).unsqueeze(0)


def _runs(
    firsts: NDArray[np.int64], lengths: NDArray[np.int64], device: torch.device
) -> Iterator[_Run]:
    row = 0
    for run in np.split(np.arange(len(lengths)), np.flatnonzero(np.diff(lengths)) + 1):
        length, text = int(lengths[run[0]]), int(firsts[run].max())
        most = max(_PRODUCTS // (length * (text + length)), 1)
        for start in range(0, len(run), most):
            some = firsts[run[start : start + most]]
            unseen = np.arange(some.max()) >= some[:, None, None]
            end = row + len(some) * length
            yield _Run(slice(row, end), length, torch.from_numpy(unseen).to(device))
            row = end


def _read(
    run: _Run, queries: Tensor, keys: Tensor, values: Tensor, text_keys: Tensor, text_values: Tensor
) -> Tensor:
    """Return [tokens, heads, head_dim] from the same, queries scaled; softmax in float32."""
    branches, _, text = run.unseen.shape
    shared = queries.shape[1] // keys.shape[1]  # query heads of one head of keys and values
    queries = queries.transpose(0, 1)
    keys, values, text_keys, text_values = (
        each.transpose(0, 1).repeat_interleave(shared, 0) if shared > 1 else each.transpose(0, 1)
        for each in (keys, values, text_keys[:text], text_values[:text])
    )
    by_branch = (len(queries), branches, run.length, -1)
    before = (queries @ text_keys.transpose(1, 2)).view(by_branch)
    since = queries.reshape(by_branch) @ keys.reshape(by_branch).transpose(2, 3)
    before = before.masked_fill(run.unseen, -torch.inf)
    if run.length > 1:
        later = torch.ones(run.length, run.length, dtype=torch.bool, device=since.device).triu(1)
        since = since.masked_fill(later, -torch.inf)
    shares = torch.cat((before, since), -1).softmax(-1, dtype=torch.float32).to(values.dtype)
    read = (shares[..., text:] @ values.reshape(by_branch)).view(len(queries), -1, values.shape[2])
    read += shares[..., :text].reshape(*read.shape[:2], text) @ text_values
    return read.transpose(0, 1)
