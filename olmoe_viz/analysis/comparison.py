"""What differs between runs under different policies, from their records alone.

Knows nothing about models; torch is not needed.
"""

from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from olmoe_viz import routing
from olmoe_viz.trace import Generation, Trace

Float64s = NDArray[np.float64]
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


def drift(trained_trace: Trace, other_trace: Trace, k0: int) -> Float64s:
    """Return, by layer, the share of the trained run's experts that the other run ranks as high.

    float64 [layers], from 0 to 1: of the `k0` strongest experts of each token in `trained_trace`,
    how many are among the `k0` strongest in `other_trace`, averaged over the tokens. Layer 0 sees
    the same input in both runs, so there it is 1. Raises ValueError for traces of different texts.
    """
    if not np.array_equal(trained_trace.token_ids, other_trace.token_ids):
        raise ValueError("Drift compares two runs of the same text; these are of different texts.")
    a, b = (routing.probabilities(trace.router_logits) for trace in (trained_trace, other_trace))
    return np.asarray(routing.overlap(a, b, k0).mean(axis=-1))


def mean_mass(record: Trace | Generation, k: int) -> Float64s:
    """Return the mean retained mass of the `k` strongest experts by layer, float64 [layers].

    Over the tokens of a trace, or the generated ones of a generation (nan without any).
    """
    return _means(routing.retained_mass(routing.probabilities(record.router_logits), k))


def mean_gain(record: Trace | Generation) -> Float64s:
    """Return the mean sum of the routing weights by layer under the record's policy, [layers].

    Over the tokens of a trace, or the generated ones of a generation (nan without any).
    """
    probabilities = routing.probabilities(record.router_logits)
    return _means(routing.gain(probabilities, record.policy, record.geometry.trained_k))


def _means(values: Float64s) -> Float64s:
    """Return the means over the last axis, nan when it is empty."""
    count = values.shape[-1]
    return np.asarray(values.sum(axis=-1) / count if count else np.full(values.shape[:-1], np.nan))
