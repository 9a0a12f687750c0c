"""What the steps are told about: one token in one layer, of a run under the first k.

Runs, and the numbers that only the model can give, are asked for when a step wants them.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from olmoe_viz.engine.engine import Ask
from olmoe_viz.figures.palette import Theme
from olmoe_viz.numerics import routing
from olmoe_viz.numerics.geometry import Geometry
from olmoe_viz.policy import WEIGHTINGS, RoutingPolicy
from olmoe_viz.records.inspection import Inspection
from olmoe_viz.records.prediction import Predictions
from olmoe_viz.records.trace import Trace
from olmoe_viz.requests import InspectRequest, PredictRequest
from olmoe_viz.ui.session import answers, state
from olmoe_viz.ui.session.selection import Selection
from olmoe_viz.ui.widgets import origin

_WORDS = "Computing what the steps show."


@dataclass(frozen=True, eq=False)
class Story:
    """The run of the first k, the place in it, the theme on the screen, and whom to ask for more.

    `ask` answers requests for details of a run and tells of a wait at the top of the page.
    """

    trace: Trace
    chosen: Selection
    theme: Theme
    ask: Ask

    @property
    def geometry(self) -> Geometry:
        """The sizes of the model."""
        return self.trace.geometry

    @property
    def layer(self) -> int:
        """The chosen layer, counted over all blocks from 0."""
        return self.chosen.layer

    @property
    def row(self) -> int:
        """The chosen layer among the layers of experts: its place in what is recorded of them."""
        return self.geometry.layer_ids.index(self.layer)

    @property
    def token(self) -> int:
        """Position of the chosen token, from 0."""
        return self.chosen.token or 0

    @property
    def full(self) -> bool:
        """Whether the record has the vectors that steps beyond the router need."""
        return self.trace.hidden_states is not None

    @cached_property
    def origin(self) -> tuple[origin.Origin, str]:
        """Where the numbers of the run are from, and details of it."""
        return answers.where(self.trace)

    @cached_property
    def probabilities(self) -> NDArray[np.float64]:
        """Router probabilities of the chosen token, [layers of experts, experts]."""
        return routing.probabilities(self.trace.router_logits[:, self.token])

    @cached_property
    def ranked(self) -> list[int]:
        """All experts at the chosen place: first those that ran, then the others by probability.

        The first k of it ran. The first so many of it are what another k would select there, from
        the same probabilities.
        """
        ran = [int(e) for e in self.trace.expert_ids[self.row, self.token] if e >= 0]
        others = routing.ranking(self.probabilities[self.row]).tolist()
        return ran + [expert for expert in others if expert not in ran]

    @property
    def ks(self) -> tuple[int, int]:
        """The two ks that are compared; the first one ran."""
        return self.chosen.k, self.chosen.against

    @property
    def names(self) -> tuple[str, str]:
        """The two policies in words."""
        return f"k = {self.chosen.k}", f"k = {self.chosen.against}"

    @cached_property
    def other(self) -> Trace | None:
        """The run of the same prompt under the second k, or None after a sentence.

        Its wait is told where it is first asked for, and only once: it would take a place in the
        page each time.
        """
        return answers.run(self.chosen, self.chosen.against_policy, "full")

    def inspected(self, trace: Trace) -> Inspection:
        """The chosen place of a run, opened under both ks and every weighting.

        The ks of the first weighting come first, as everywhere in `WEIGHTINGS`.
        """
        policies = tuple(RoutingPolicy(k, weighting) for weighting in WEIGHTINGS for k in self.ks)
        return self.ask(InspectRequest(trace.request, self.layer, self.token, policies))

    def expected(self, trace: Trace) -> Predictions:
        """What the model expects after the chosen token of a run, alone in its record."""
        return self.ask(PredictRequest(trace.request, (self.token,), detail="logits"))


def begin() -> Story | None:
    """The story of the selection, or None after the page has said what is missing.

    The first call of a session asks for a run. After a stop, and where no model runs, the bundled
    record serves; it has routers but no vectors.
    """
    state.ask_once()
    place = st.empty()
    runs = state.asked() and answers.can_run(state.selection().model, place)
    trace = answers.current("full" if runs else "routing", place)
    if trace is None:
        return None
    chosen = state.selection().within(trace.geometry, len(trace.tokens))
    return Story(trace, chosen, state.theme(), answers.asking(place, _WORDS))
