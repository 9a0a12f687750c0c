"""Scores: how probable a given text is under each policy."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.numerics.geometry import Geometry
from olmoe_viz.records.file import Layout
from olmoe_viz.records.provenance import Provenance
from olmoe_viz.records.record import (
    ARRAY,
    ROUNDING,
    Float64s,
    Ids,
    Record,
    check_count,
    check_ids,
)
from olmoe_viz.requests import ScoreRequest


@dataclass(frozen=True, eq=False, repr=False)
class Scores(Record):
    """What each policy of the request makes of a given text, in their order.

    `token_ids` is int64 [tokens], `token_sizes` int64 [tokens] their bytes in UTF-8. `nll` is
    float64 [policies, tokens - 1]: the negative log-likelihood, in nats, of each token but the
    first. With a reference in the request, `kl` is float64 [policies, tokens], the Kullback-Leibler
    divergence in nats of the policy's next-token distribution from the reference's (whose
    probabilities weigh the difference), and `same_top` uint8 [policies, tokens], 1 where both have
    the same likeliest token; else both are None.
    """

    kind = "scores"

    request: ScoreRequest
    tokens: int
    geometry: Geometry
    provenance: Provenance
    token_ids: Ids = field(metadata=ARRAY)
    token_sizes: Ids = field(metadata=ARRAY)
    nll: Float64s = field(metadata=ARRAY)
    kl: Float64s | None = field(default=None, metadata=ARRAY)
    same_top: NDArray[np.uint8] | None = field(default=None, metadata=ARRAY)

    @classmethod
    def layout(cls, facts: Mapping[str, Any]) -> Layout:
        """Return dtype and shape of each array by name; ValueError for facts that do not fit."""
        request, tokens = facts["request"], facts["tokens"]
        check_count(tokens, least=1)
        policies = len(request.policies)
        layout: dict[str, tuple[str, tuple[int, ...]]] = {
            "token_ids": ("int64", (tokens,)),
            "token_sizes": ("int64", (tokens,)),
            "nll": ("float64", (policies, tokens - 1)),
        }
        if request.reference is not None:
            layout["kl"] = ("float64", (policies, tokens))
            layout["same_top"] = ("uint8", (policies, tokens))
        return layout

    def check(self) -> None:
        """Raise ValueError unless facts and arrays fit each other, beyond their shapes."""
        check_ids("token_ids", self.token_ids, self.geometry.vocab)
        if (self.token_sizes < 0).any():
            raise ValueError("a token has less than no bytes")
        if (self.nll < -ROUNDING).any() or (self.kl is not None and (self.kl < -ROUNDING).any()):
            raise ValueError("a likelihood is above 1, or a divergence below 0")
        if self.same_top is not None and (self.same_top > 1).any():
            raise ValueError("same_top is not 0 or 1")
