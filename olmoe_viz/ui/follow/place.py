"""The place in a run that Follow is about; every step is given it beside its numbers."""

from dataclasses import dataclass

from olmoe_viz.figures.palette import Theme
from olmoe_viz.numerics.geometry import Geometry
from olmoe_viz.policy import Weighting
from olmoe_viz.records.expert_uses import ExpertUses, recorded_uses


@dataclass(frozen=True)
class Place:
    """The chosen token and layer, what is compared there, and how it is drawn.

    `layer` counts all blocks of the model from 0, `token` is a position from 0. `k` is what ran,
    `against` the second k under the same weighting. `right_to_left` is how the prompt is written,
    `template` are the places of tokens of the chat template, `digest` is that of the weights.
    """

    geometry: Geometry
    layer: int
    token: int
    k: int
    against: int
    weighting: Weighting
    theme: Theme
    right_to_left: bool = False
    template: frozenset[int] = frozenset()
    digest: str = ""

    @property
    def row(self) -> int:
        """The layer among the layers of experts: its place in what is recorded of them."""
        return self.geometry.layer_ids.index(self.layer)

    @property
    def uses(self) -> ExpertUses | None:
        """What the experts are used for, where that is recorded."""
        return recorded_uses(self.digest)

    @property
    def ks(self) -> tuple[int, int]:
        """The two ks; the first one ran."""
        return self.k, self.against

    @property
    def names(self) -> tuple[str, str]:
        """The two ks in words."""
        return f"k = {self.k}", f"k = {self.against}"
