"""Effects: what the chosen experts of some cells do to the next token, one at a time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from olmoe_viz.numerics.geometry import Geometry
from olmoe_viz.records.file import Layout
from olmoe_viz.records.provenance import Provenance
from olmoe_viz.records.record import (
    ARRAY,
    ROUNDING,
    ExpertIds,
    Float32s,
    Float64s,
    Ids,
    Record,
    check_ids,
    check_tokens,
)
from olmoe_viz.records.routed import width
from olmoe_viz.requests import EffectsRequest

SEEDS = 20  # random directions for each expert


@dataclass(frozen=True, eq=False, repr=False)
class Effects(Record):
    """What taking away each chosen expert of a cell changes, one at a time.

    Cells are in the request's order, and experts in the order of the run: `expert_ids` int16 and
    `weights` float32, [cells, k], end in -1 and 0 where a token has fewer. `shares` float64
    [cells, k] are the L2 norms of weight times output. What is read is the distribution after
    token `read_at` int64 [cells]: `top_ids` int64 [cells] are its likeliest tokens in the run as it
    was, `top_tokens` their visible text and `top_logprobs` float64 [cells] how likely they were.

    Without the expert, [cells, k] each: `kl` float64, the Kullback-Leibler divergence in nats from
    the run's distribution, whose probabilities weigh the difference; `logprob_changes` float64 of
    the run's likeliest token, in nats; `ranks` int64 of that token, 1 for the first; `new_tops`
    int64, the token that is likeliest now, and `new_top_tokens` [cells][k] its visible text. With a
    continuation in the request,
    `continuation_logprobs` float64 [cells] is how likely it was and `continuation_changes` float64
    [cells, k] the change; else both are None.

    Two controls, None unless asked for. `matched_tokens` int64, `matched_ids` int16 and
    `matched_weights` float32 name the expert of another token of the layer whose weight is nearest,
    with what taking it away changes there, `matched_kl` and `matched_changes` float64: all
    [cells, k], and -1, -1 and 0 where there is none. `random_kl` and `random_changes` float64
    [cells, k, 20] subtract random directions as long as the expert's share from the layer instead.
    """

    kind = "effects"

    request: EffectsRequest
    top_tokens: tuple[str, ...]
    new_top_tokens: tuple[tuple[str, ...], ...]
    geometry: Geometry
    provenance: Provenance
    expert_ids: ExpertIds = field(metadata=ARRAY)
    weights: Float32s = field(metadata=ARRAY)
    shares: Float64s = field(metadata=ARRAY)
    read_at: Ids = field(metadata=ARRAY)
    top_ids: Ids = field(metadata=ARRAY)
    top_logprobs: Float64s = field(metadata=ARRAY)
    kl: Float64s = field(metadata=ARRAY)
    logprob_changes: Float64s = field(metadata=ARRAY)
    ranks: Ids = field(metadata=ARRAY)
    new_tops: Ids = field(metadata=ARRAY)
    continuation_logprobs: Float64s | None = field(default=None, metadata=ARRAY)
    continuation_changes: Float64s | None = field(default=None, metadata=ARRAY)
    matched_tokens: Ids | None = field(default=None, metadata=ARRAY)
    matched_ids: ExpertIds | None = field(default=None, metadata=ARRAY)
    matched_weights: Float32s | None = field(default=None, metadata=ARRAY)
    matched_kl: Float64s | None = field(default=None, metadata=ARRAY)
    matched_changes: Float64s | None = field(default=None, metadata=ARRAY)
    random_kl: Float64s | None = field(default=None, metadata=ARRAY)
    random_changes: Float64s | None = field(default=None, metadata=ARRAY)

    @classmethod
    def layout(cls, facts: Mapping[str, Any]) -> Layout:
        """Return dtype and shape of each array by name; ValueError for facts that do not fit."""
        request, geometry = facts["request"], facts["geometry"]
        cells = (len(request.cells),)
        each = (*cells, width(request.run.policy, geometry))
        layout: dict[str, tuple[str, tuple[int, ...]]] = {
            "expert_ids": ("int16", each),
            "weights": ("float32", each),
            **dict.fromkeys(("read_at", "top_ids"), ("int64", cells)),
            "top_logprobs": ("float64", cells),
            **dict.fromkeys(("shares", "kl", "logprob_changes"), ("float64", each)),
            **dict.fromkeys(("ranks", "new_tops"), ("int64", each)),
        }
        if request.continuation:
            layout["continuation_logprobs"] = ("float64", cells)
            layout["continuation_changes"] = ("float64", each)
        if request.controls:
            layout["matched_tokens"] = ("int64", each)
            layout["matched_ids"] = ("int16", each)
            layout["matched_weights"] = ("float32", each)
            layout |= dict.fromkeys(("matched_kl", "matched_changes"), ("float64", each))
            drawn = ("float64", (*each, SEEDS))
            layout |= dict.fromkeys(("random_kl", "random_changes"), drawn)
        return layout

    def check(self) -> None:
        """Raise ValueError unless facts and arrays fit each other, beyond their shapes."""
        check_tokens(self.top_tokens)
        if len(self.top_tokens) != len(self.top_ids):
            raise ValueError("the likeliest tokens have not as many texts")
        for row in self.new_top_tokens:
            check_tokens(row)
        if tuple(map(len, self.new_top_tokens)) != (self.new_tops.shape[1],) * len(self.new_tops):
            raise ValueError("the new likeliest tokens have not as many texts")
        check_ids("the likeliest tokens", self.top_ids, self.geometry.vocab)
        check_ids("the new likeliest tokens", self.new_tops, self.geometry.vocab)
        if (self.expert_ids < -1).any() or (self.expert_ids >= self.geometry.experts).any():
            raise ValueError(f"an expert id is not from 0 to {self.geometry.experts - 1}, nor -1")
        if (self.kl < -ROUNDING).any() or (self.top_logprobs > ROUNDING).any():
            raise ValueError("a likelihood is above 1, or a divergence below 0")

    @property
    def tops_changed(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Whether another token is the likeliest without the expert, bool [cells, k]."""
        return np.asarray((self.new_tops != self.top_ids[:, None]) & (self.expert_ids >= 0))

    def band(self) -> Float64s:
        """Return the 2.5th and 97.5th percentile of the random directions' KL, [2, cells, k].

        ValueError without controls.
        """
        if self.random_kl is None:
            raise ValueError("The effects were measured without controls.")
        return np.asarray(np.percentile(self.random_kl, [2.5, 97.5], axis=-1))
