"""ModelFacts: what a loaded model is and can do."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from olmoe_viz.numerics.geometry import Geometry
from olmoe_viz.records.file import Layout
from olmoe_viz.records.provenance import Provenance
from olmoe_viz.records.record import Record
from olmoe_viz.requests import ModelRequest

# steer: run any policy; rows_join: rows join and leave a batch between steps; details: inspections,
# attention, predictions and directions.
Capability = Literal["steer", "rows_join", "details"]


@dataclass(frozen=True, eq=False, repr=False)
class ModelFacts(Record):
    """A loaded model: its sizes, where it is from (`provenance`), and what may be asked of it."""

    kind = "model_facts"

    request: ModelRequest
    geometry: Geometry
    bytes_per_value: int
    capabilities: tuple[Capability, ...]
    provenance: Provenance

    @classmethod
    def layout(cls, facts: Mapping[str, Any]) -> Layout:  # noqa: ARG003 - it has no arrays
        """Return nothing: the record has no arrays."""
        return {}

    def check(self) -> None:
        """Raise ValueError for a capability that there is not."""
        if not set(self.capabilities) <= set(get_args(Capability)):
            raise ValueError("it claims something that no model can do")
