"""What the steps are told about: one token in one layer, of a run under the first k.

Traces and the numbers that need the model are asked for when a step wants them, and kept.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.numerics import routing
from olmoe_viz.figures.palette import Theme
from olmoe_viz.numerics.geometry import Geometry
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.records.trace import Trace
from olmoe_viz.ui import runs, state
from olmoe_viz.ui.model import get_model
from olmoe_viz.ui.selection import Selection

if TYPE_CHECKING:
    from olmoe_viz.models.load import Model


@dataclass
class _Found:
    """What a step has asked for already; asking again would take a place in the page each time."""

    model: "Model | None" = None
    other: runs.Run | None = None


@dataclass(frozen=True, eq=False)
class Story:
    """The run of the first k, the place in it, and the theme on the screen."""

    run: runs.Run
    chosen: Selection
    theme: Theme
    _found: _Found = field(default_factory=_Found, init=False)

    @property
    def trace(self) -> Trace:
        """The record under the first k."""
        return self.run.trace

    @property
    def geometry(self) -> Geometry:
        """The sizes of the model."""
        return self.trace.geometry

    @property
    def layer(self) -> int:
        """The chosen layer, from 0."""
        return self.chosen.layer

    @property
    def token(self) -> int:
        """Position of the chosen token, from 0."""
        return self.chosen.token or 0

    @property
    def full(self) -> bool:
        """Whether the record has the vectors that steps beyond the router need."""
        return self.trace.hidden_states is not None

    @cached_property
    def probabilities(self) -> NDArray[np.float64]:
        """Router probabilities of the chosen token, [layers, experts]."""
        return routing.probabilities(self.trace.router_logits[:, self.token])

    @property
    def ks(self) -> tuple[int, int]:
        """The two ks that are compared."""
        return self.chosen.k, self.chosen.against

    @property
    def policies(self) -> tuple[RoutingPolicy, RoutingPolicy]:
        """The two policies that are compared."""
        return self.chosen.policy, self.chosen.against_policy

    @property
    def names(self) -> tuple[str, str]:
        """The two policies in words."""
        return f"k = {self.chosen.k}", f"k = {self.chosen.against}"

    def model(self) -> "Model | None":
        """The model, or None after a sentence that says why there is none."""
        if self._found.model is None:
            self._found.model = get_model(self.chosen.model)
        return self._found.model

    def other(self) -> runs.Run | None:
        """The run of the same prompt under the second k, or None after a sentence."""
        if self._found.other is None:
            self._found.other = runs.run(self.chosen, self.chosen.against_policy, "full")
        return self._found.other


def begin() -> Story | None:
    """The story of the selection, or None after the page has said what is missing.

    The first call of a session asks for a run. After a stop the bundled record serves; it has
    routers but no vectors.
    """
    state.ask_once()
    run = runs.current("full" if state.asked() else "routing")
    if run is None:
        return None
    layers, tokens, experts = run.trace.router_logits.shape
    return Story(run, state.selection().within(layers, tokens, experts), state.theme())
