"""Bits per byte of two policies on the same held-out text, and how much more one of them needs.

The text is that of the recorded router checkpoints: ten kinds, of which the bundled model saw
nothing in training. Other models may have seen it, so there is no sample for them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.analysis.saturation import load_router_checkpoints
from olmoe_viz.records.expert_uses import readable_domain, recorded_uses
from olmoe_viz.records.scores import Scores

PIECE = 25  # tokens in a row that are drawn together, since they are not independent
RESAMPLES = 1_000
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Bits per byte of each kind of text, and in the last row the mean of all kinds.

    The text is one excerpt of each kind, so the intervals say nothing of other excerpts.

    `plain` and `changed` are those of the two policies, `more` what the second needs more, each
    float64 [kinds + 1, 3]: the value and the ends of its 95 % interval. For these, pieces of the
    text of each kind are drawn with replacement, the same for both policies.
    """

    kinds: tuple[str, ...]
    tokens: int
    plain: Floats
    changed: Floats
    more: Floats


def sample(digest: str) -> dict[str, tuple[int, ...]]:
    """Return the token ids of each kind of held-out text, none for weights with another digest."""
    if recorded_uses(digest) is None:
        return {}
    recorded = load_router_checkpoints()
    return {
        readable_domain(domain): tuple(ids.tolist())
        for domain, ids in zip(recorded.domains, recorded.token_ids, strict=True)
    }


def held_out(
    kinds: Sequence[str], plain: Sequence[Scores], changed: Sequence[Scores], seed: int = 0
) -> HeldOut:
    """Sum up the scores of each kind of text, of one policy each; ValueError for unequal texts."""
    draw = np.random.default_rng(seed)
    drawn = np.stack(
        [_of_kind(one, other, draw) for one, other in zip(plain, changed, strict=True)]
    )
    rows = np.concatenate([drawn, drawn.mean(axis=0, keepdims=True)])
    return HeldOut(
        tuple(kinds),
        sum(one.tokens - 1 for one in plain),
        _summed_up(rows[:, 0]),
        _summed_up(rows[:, 1]),
        _summed_up(rows[:, 1] - rows[:, 0]),
    )


def _of_kind(plain: Scores, changed: Scores, draw: np.random.Generator) -> Floats:
    """Return the bits per byte of both, of the text as it is and of each draw: [2, draws + 1]."""
    if not np.array_equal(plain.token_ids, changed.token_ids):
        raise ValueError("The scores are of different texts.")
    starts = np.arange(0, plain.tokens - 1, PIECE)
    nats = np.add.reduceat(np.concatenate([plain.nll, changed.nll]), starts, axis=1)
    sizes = np.add.reduceat(plain.token_sizes[1:], starts)
    picks = draw.integers(0, len(starts), (RESAMPLES, len(starts)))
    picks = np.concatenate([np.arange(len(starts))[None], picks])
    bits: Floats = nats[:, picks].sum(axis=-1) / sizes[picks].sum(axis=-1) / math.log(2)
    return bits


def _summed_up(rows: Floats) -> Floats:
    """Return the first of each row and the ends of 95 % of the others, [rows, 3]."""
    ends = np.percentile(rows[:, 1:], [2.5, 97.5], axis=1)
    return np.stack([rows[:, 0], *ends], axis=1)
