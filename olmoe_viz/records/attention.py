"""Attention: where the heads of one layer look."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from olmoe_viz.numerics.geometry import Geometry
from olmoe_viz.records.file import Layout
from olmoe_viz.records.provenance import Provenance
from olmoe_viz.records.record import ARRAY, ROUNDING, Float32s, Record, check_count
from olmoe_viz.requests import AttentionRequest


@dataclass(frozen=True, eq=False, repr=False)
class Attention(Record):
    """Attention weights of some tokens in one layer.

    `weights` is float32 [heads, rows (from), columns (to)]: the rows are the tokens from
    `request.first` up to before `request.stop`, the columns those from `request.seen_from` on.
    Every row sums to 1 over all columns; a token sees itself and what stands before it, so all
    after it is 0.
    """

    kind = "attention"

    request: AttentionRequest
    geometry: Geometry
    provenance: Provenance
    weights: Float32s = field(metadata=ARRAY)

    @classmethod
    def layout(cls, facts: Mapping[str, Any]) -> Layout:
        """Return dtype and shape of each array by name; ValueError for facts that do not fit."""
        request = facts["request"]
        rows, columns = request.stop - request.first, request.stop - request.seen_from
        check_count(request.stop, least=1)
        return {"weights": ("float32", (facts["geometry"].heads, rows, columns))}

    def check(self) -> None:
        """Raise ValueError unless facts and arrays fit each other, beyond their shapes."""
        if not 0 <= self.request.layer < self.geometry.layers:
            raise ValueError(f"there is no layer {self.request.layer}")
        if (self.weights < 0).any() or (self.weights.sum(axis=-1) > 1 + ROUNDING).any():
            raise ValueError("attention weights are below 0, or sum to more than 1")
