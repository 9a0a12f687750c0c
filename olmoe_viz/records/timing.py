"""Measured times: of one row alone, and of the memory."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from olmoe_viz.records.file import Layout
from olmoe_viz.records.provenance import Provenance
from olmoe_viz.records.record import ARRAY, Float64s, Record, check_number
from olmoe_viz.requests import BandwidthRequest, TimeRequest


@dataclass(frozen=True, eq=False, repr=False)
class Timing(Record):
    """How long one row took alone.

    `seconds` is float64 [runs]: of each written token in the mean, or, where the request asks for
    no new tokens, of reading the whole text once.
    """

    kind = "timing"

    request: TimeRequest
    provenance: Provenance
    seconds: Float64s = field(metadata=ARRAY)

    @classmethod
    def layout(cls, facts: Mapping[str, Any]) -> Layout:
        """Return dtype and shape of each array by name."""
        return {"seconds": ("float64", (facts["request"].runs,))}

    def check(self) -> None:
        """Raise ValueError unless every time is above 0."""
        if (self.seconds <= 0).any():
            raise ValueError("a time is not above 0")


@dataclass(frozen=True, eq=False, repr=False)
class Bandwidth(Record):
    """`bytes_per_second` read and written, by the fastest of `copies` copies of `copied` bytes.

    `threads` copied together on the CPU; None for another device.
    """

    kind = "bandwidth"

    request: BandwidthRequest
    bytes_per_second: float
    copied: int
    copies: int
    device: str
    threads: int | None
    provenance: Provenance

    @classmethod
    def layout(cls, facts: Mapping[str, Any]) -> Layout:  # noqa: ARG003 - it has no arrays
        """Return nothing: the record has no arrays."""
        return {}

    def check(self) -> None:
        """Raise ValueError unless the figures are finite."""
        check_number("bytes_per_second", self.bytes_per_second)
