"""Inspection: one token in one layer of experts, opened."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from olmoe_viz.numerics.geometry import Geometry
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.records.file import Layout
from olmoe_viz.records.provenance import Provenance
from olmoe_viz.records.record import ARRAY, Float32s, Float64s, Ids, Record, check_number
from olmoe_viz.requests import InspectRequest


@dataclass(frozen=True, eq=False, repr=False)
class Inspection(Record):
    """One token in one layer under several policies, which all see the same input.

    `router_input` is float32 [hidden], the normed residual stream after attention, and `input_norm`
    its L2 norm. `router_logits` is float32 [experts], raw; `router_cosines` float64 [experts], the
    cosine between each router row and the input.

    `ids` is int64 [n]: every expert that a policy selects, by falling router logit. `outputs` is
    float32 [n, hidden], what each expert gives before it is weighted, and `active_shares` float64
    [n] the share of its inner units whose gate is above 0. `weights` is float64 [policies, n], 0
    where a policy does not select the expert.

    `sums` is float32 [policies, hidden], `weights @ outputs`; `block_outputs` the same from the
    model's own block; `largest_differences` float64 [policies], the largest distance between the
    two: rounding.
    """

    kind = "inspection"

    request: InspectRequest
    input_norm: float
    experts_shown: int
    geometry: Geometry
    provenance: Provenance
    router_input: Float32s = field(metadata=ARRAY)
    router_logits: Float32s = field(metadata=ARRAY)
    router_cosines: Float64s = field(metadata=ARRAY)
    ids: Ids = field(metadata=ARRAY)
    outputs: Float32s = field(metadata=ARRAY)
    active_shares: Float64s = field(metadata=ARRAY)
    weights: Float64s = field(metadata=ARRAY)
    sums: Float32s = field(metadata=ARRAY)
    block_outputs: Float32s = field(metadata=ARRAY)
    largest_differences: Float64s = field(metadata=ARRAY)

    @classmethod
    def layout(cls, facts: Mapping[str, Any]) -> Layout:
        """Return dtype and shape of each array by name; ValueError for facts that do not fit."""
        geometry, shown = facts["geometry"], facts["experts_shown"]
        experts, hidden = geometry.experts, geometry.hidden
        if not 1 <= shown <= experts:
            raise ValueError(f"it cannot show {shown} experts of {experts}")
        policies = len(facts["request"].policies)
        return {
            "router_input": ("float32", (hidden,)),
            "router_logits": ("float32", (experts,)),
            "router_cosines": ("float64", (experts,)),
            "ids": ("int64", (shown,)),
            "outputs": ("float32", (shown, hidden)),
            "active_shares": ("float64", (shown,)),
            "weights": ("float64", (policies, shown)),
            "sums": ("float32", (policies, hidden)),
            "block_outputs": ("float32", (policies, hidden)),
            "largest_differences": ("float64", (policies,)),
        }

    def check(self) -> None:
        """Raise ValueError unless facts and arrays fit each other, beyond their shapes."""
        check_number("input_norm", self.input_norm)
        if self.request.layer not in self.geometry.layer_ids:
            raise ValueError(f"layer {self.request.layer} has no experts")
        if not 0 <= self.ids.min() <= self.ids.max() < self.geometry.experts:
            raise ValueError(f"an expert is not from 0 to {self.geometry.experts - 1}")
        if (self.weights < 0).any():
            raise ValueError("a routing weight is below 0")

    @property
    def policies(self) -> tuple[RoutingPolicy, ...]:
        """The policies of the rows of `weights`."""
        return self.request.policies

    @property
    def layer(self) -> int:
        """The layer, counted over all blocks from 0."""
        return self.request.layer

    @property
    def token(self) -> int:
        """Position of the token, from 0."""
        return self.request.token
