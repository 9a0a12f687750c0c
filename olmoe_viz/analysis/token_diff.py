"""What differs between runs under different policies, from their records alone.

Knows nothing about models; torch is not needed.
"""

from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Literal

import numpy as np
from numpy.typing import NDArray

TokenIds = Sequence[int] | NDArray[np.int64]
Change = Literal["same", "insert", "delete", "replace"]

_CHANGES: dict[str, Change] = {
    "equal": "same",
    "insert": "insert",
    "delete": "delete",
    "replace": "replace",
}


def shared_prefix(a_ids: TokenIds, b_ids: TokenIds) -> int:
    """Return how many first tokens two sequences have in common."""
    place = first_difference([a_ids, b_ids])
    return len(a_ids) if place is None else place


def first_difference(sequences: Sequence[TokenIds]) -> int | None:
    """Return the first place where not all sequences have the same token; None when there is none.

    Where one sequence has ended and another has not, they differ.
    """
    lists = [[int(token) for token in ids] for ids in sequences]
    for place in range(max(map(len, lists), default=0)):
        if len({tuple(ids[place : place + 1]) for ids in lists}) > 1:
            return place
    return None


def token_diff(a_ids: TokenIds, b_ids: TokenIds) -> list[tuple[Change, slice, slice]]:
    """Return the steps that turn a into b, in order: (change, slice of a, slice of b).

    Together the slices cover both sequences. By longest matching runs (Ratcliff and Obershelp, as
    in Python's difflib), which reads well but is not always the shortest list of changes.
    """
    a, b = ([int(token) for token in ids] for ids in (a_ids, b_ids))
    steps = SequenceMatcher(None, a, b, autojunk=False).get_opcodes()
    return [(_CHANGES[name], slice(i, j), slice(m, n)) for name, i, j, m, n in steps]


def repetition_rate(ids: TokenIds, n: int = 4) -> float:
    """Return the share of the `n`-grams of a text that occurred in it before, from 0 to below 1.

    0 for a text shorter than n tokens. The measure that Welleck et al. 2019 call seq-rep-n
    ("Neural Text Generation with Unlikelihood Training", arXiv 1908.04319).
    """
    tokens = [int(token) for token in ids]
    grams = [tuple(tokens[start : start + n]) for start in range(len(tokens) - n + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0
