"""Patches and Routes: what a run predicts with a part of another run, or by another route."""

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
from olmoe_viz.requests import PatchRequest, RoutesRequest

SOURCE, TARGET = 0, 1


@dataclass(frozen=True, eq=False, repr=False)
class Patches(Record):
    """What the target run predicts after its last token, with each patch of the request in turn.

    `run_tops` int64 [2] are the likeliest next tokens of source and target, `top_tokens` their
    visible text, and `run_logprobs` float64 [2, 2] how likely each run (first axis) makes each of
    them. `logprobs` float64 [patches, 2] is the same with a patch, and `new_tops` int64 [patches]
    the likeliest token then. `kl` float64 [patches] is the Kullback-Leibler divergence in nats of
    what is predicted from the source's prediction, whose probabilities weigh the difference;
    `run_kl` that of the target as it was.
    """

    kind = "patches"

    request: PatchRequest
    top_tokens: tuple[str, ...]
    run_kl: float
    geometry: Geometry
    provenance: Provenance
    run_tops: Ids = field(metadata=ARRAY)
    run_logprobs: Float64s = field(metadata=ARRAY)
    logprobs: Float64s = field(metadata=ARRAY)
    new_tops: Ids = field(metadata=ARRAY)
    kl: Float64s = field(metadata=ARRAY)

    @classmethod
    def layout(cls, facts: Mapping[str, Any]) -> Layout:
        """Return dtype and shape of each array by name; ValueError for facts that do not fit."""
        count = len(facts["request"].patches)
        return {
            "run_tops": ("int64", (2,)),
            "run_logprobs": ("float64", (2, 2)),
            "logprobs": ("float64", (count, 2)),
            "new_tops": ("int64", (count,)),
            "kl": ("float64", (count,)),
        }

    def check(self) -> None:
        """Raise ValueError unless facts and arrays fit each other, beyond their shapes."""
        check_tokens(self.top_tokens)
        if len(self.top_tokens) != 2:
            raise ValueError("the likeliest tokens of the two runs have not two texts")
        for ids in (self.run_tops, self.new_tops):
            check_ids("the likeliest tokens", ids, self.geometry.vocab)
        if (self.kl < -ROUNDING).any() or (self.logprobs > ROUNDING).any():
            raise ValueError("a likelihood is above 1, or a divergence below 0")

    def recovery(self) -> Float64s:
        """Return how much of the difference between the runs each patch restores, [patches].

        1 is the source and 0 the target, measured on the log-probability of the source's likeliest
        token less that of the target's; where both runs have the same one, on that token alone. All
        zeros where the runs do not differ.
        """
        if self.gap == 0:
            return np.zeros(len(self.logprobs))
        target = self.run_logprobs[TARGET] @ self._weights
        return np.asarray((self.logprobs @ self._weights - target) / self.gap)

    @property
    def gap(self) -> float:
        """What lies between target and source on that scale, in nats."""
        return float((self.run_logprobs[SOURCE] - self.run_logprobs[TARGET]) @ self._weights)

    @property
    def _weights(self) -> Float64s:
        both = self.run_tops[SOURCE] == self.run_tops[TARGET]
        return np.array([1.0, 0.0 if both else -1.0])


@dataclass(frozen=True, eq=False, repr=False)
class Routes(Record):
    """What the run predicts after a token when other experts run in one layer for it.

    `ran_ids` int16 and `ran_weights` float32 [k] are the route of the run, and `expert_ids` int16
    and `weights` float32 [count, k] those drawn, by falling weight, with -1 and 0 where there are
    fewer. `top_id` is the likeliest next
    token of the run, `top_token` its visible text and `top_logprob` its natural log-probability;
    `next_id` is the token that follows in the text and `next_logprob` how likely it was, both None
    after the last. By route, float64 [count]: `kl` in nats from the run's distribution,
    `logprob_changes` of `top_id` and `next_changes` of `next_id` (zeros where there is none);
    `new_tops` int64 [count] are the likeliest tokens.
    """

    kind = "routes"

    request: RoutesRequest
    top_id: int
    top_token: str
    top_logprob: float
    next_id: int | None
    next_logprob: float | None
    geometry: Geometry
    provenance: Provenance
    ran_ids: ExpertIds = field(metadata=ARRAY)
    ran_weights: Float32s = field(metadata=ARRAY)
    expert_ids: ExpertIds = field(metadata=ARRAY)
    weights: Float32s = field(metadata=ARRAY)
    kl: Float64s = field(metadata=ARRAY)
    logprob_changes: Float64s = field(metadata=ARRAY)
    next_changes: Float64s = field(metadata=ARRAY)
    new_tops: Ids = field(metadata=ARRAY)

    @classmethod
    def layout(cls, facts: Mapping[str, Any]) -> Layout:
        """Return dtype and shape of each array by name; ValueError for facts that do not fit."""
        request = facts["request"]
        count, k = request.count, width(request.run.policy, facts["geometry"])
        return {
            "ran_ids": ("int16", (k,)),
            "ran_weights": ("float32", (k,)),
            "expert_ids": ("int16", (count, k)),
            "weights": ("float32", (count, k)),
            **dict.fromkeys(("kl", "logprob_changes", "next_changes"), ("float64", (count,))),
            "new_tops": ("int64", (count,)),
        }

    def check(self) -> None:
        """Raise ValueError unless facts and arrays fit each other, beyond their shapes."""
        check_tokens((self.top_token,))
        check_ids("the likeliest tokens", self.new_tops, self.geometry.vocab)
        if (self.next_id is None) != (self.next_logprob is None):
            raise ValueError("the token that follows has no likelihood")
        for ids in (self.ran_ids, self.expert_ids):
            if (ids < -1).any() or (ids >= self.geometry.experts).any():
                raise ValueError(f"an expert id is not below {self.geometry.experts}, nor -1")
        if (self.kl < -ROUNDING).any():
            raise ValueError("a divergence is below 0")
