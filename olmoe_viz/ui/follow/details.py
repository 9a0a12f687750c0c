"""The numbers of Follow: the run of the first k, and what else the engine computes of it.

This is the one module of the page that asks. Each request is made when a step is about to be drawn,
so that the steps above it are on the screen already.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from olmoe_viz.analysis.attribution import contributions
from olmoe_viz.analysis.stream import distances
from olmoe_viz.engine.engine import Ask
from olmoe_viz.numerics import routing
from olmoe_viz.policy import WEIGHTINGS, RoutingPolicy
from olmoe_viz.records.inspection import Inspection
from olmoe_viz.records.prediction import Lens, Predictions
from olmoe_viz.records.trace import Trace
from olmoe_viz.requests import (
    AttentionRequest,
    DirectionsRequest,
    InspectRequest,
    LensRequest,
    PredictRequest,
)
from olmoe_viz.ui.follow.place import Place
from olmoe_viz.ui.session import answers, state
from olmoe_viz.ui.session.selection import Selection
from olmoe_viz.ui.texts.follow import COMPUTING
from olmoe_viz.ui.widgets import origin
from olmoe_viz.ui.widgets.picker import right_to_left


@dataclass(frozen=True, eq=False)
class Details:
    """A run, the place in it, and whatever else a step shows; all of it as records and arrays.

    What the engine cannot compute is an error of the call that needs it.
    """

    trace: Trace
    chosen: Selection
    place: Place
    ask: Ask

    @property
    def full(self) -> bool:
        """Whether the record has the vectors that the steps beyond the router need."""
        return self.trace.hidden_states is not None

    @cached_property
    def origin(self) -> tuple[origin.Origin, str]:
        """Where the numbers of the run are from, and details of it."""
        return answers.where(self.trace)

    @cached_property
    def probabilities(self) -> NDArray[np.float64]:
        """Router probabilities of the chosen token, [layers of experts, experts]."""
        return routing.probabilities(self.trace.router_logits[:, self.place.token])

    @property
    def logits(self) -> NDArray[np.float64]:
        """Router logits at the chosen place, [experts]."""
        logits: NDArray[np.float32] = self.trace.router_logits[self.place.row, self.place.token]
        return logits.astype(np.float64)

    @property
    def ran(self) -> NDArray[np.int16]:
        """The experts that ran at the chosen place, [largest k], -1 for none."""
        ids: NDArray[np.int16] = self.trace.expert_ids[self.place.row, self.place.token]
        return ids

    @property
    def ranked(self) -> list[int]:
        """All experts at the chosen place: first those that ran, then the others by probability.

        The first k of it ran. The first so many of it are what another k would select there, from
        the same probabilities.
        """
        ran = [int(expert) for expert in self.ran if expert >= 0]
        others = routing.ranking(self.probabilities[self.place.row]).tolist()
        return ran + [expert for expert in others if expert not in ran]

    @cached_property
    def other(self) -> Trace | None:
        """The run of the same prompt under the second k, or None after a sentence.

        Its wait is shown where it is first asked for, and only once: it would take a place in the
        page each time.
        """
        return answers.run(self.chosen, self.chosen.against_policy, "full")

    @property
    def stream_around_attention(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The residual stream before attention and what attention adds, [hidden] each."""
        states, added = self.trace.hidden_states, self.trace.attention_outputs
        assert states is not None  # noqa: S101 - only asked of a full record
        assert added is not None  # noqa: S101
        at = self.place.layer, self.place.token
        return states[at], added[at]

    @cached_property
    def attention_row(self) -> NDArray[np.float32]:
        """The chosen token's attention, [heads, tokens up to it]."""
        token = self.place.token
        request = AttentionRequest(self.trace.request, self.place.layer, token, token + 1)
        row: NDArray[np.float32] = self.ask(request).weights[:, 0]
        return row

    def attention_window(self, first: int, stop: int, head: int) -> NDArray[np.float32]:
        """One head's attention among the tokens from `first` on, [tokens, tokens]."""
        request = AttentionRequest(
            self.trace.request, self.place.layer, first, stop, seen_from=first
        )
        window: NDArray[np.float32] = self.ask(request).weights[head]
        return window

    def inspection(self, trace: Trace) -> Inspection:
        """The chosen place of a run, opened under both ks and every weighting.

        The ks of the first weighting come first, as everywhere in `WEIGHTINGS`.
        """
        ks = self.place.ks
        policies = tuple(RoutingPolicy(k, weighting) for weighting in WEIGHTINGS for k in ks)
        return self.ask(InspectRequest(trace.request, self.place.layer, self.place.token, policies))

    def distances(self, other: Trace) -> NDArray[np.float64] | None:
        """How far the other run's residual stream is from this one's after each block, [blocks]."""
        return distances(self.trace, other, self.place.token)

    def predictions(self, trace: Trace) -> Predictions:
        """What the model expects after the chosen token of a run, with all its logits."""
        return self.ask(PredictRequest(trace.request, (self.place.token,), detail="logits"))

    def entropies(self, trace: Trace, tokens: Sequence[int]) -> NDArray[np.float64]:
        """The entropy of what a run predicts after each of some tokens, in nats, [tokens]."""
        return self.ask(PredictRequest(trace.request, tuple(tokens), top=1)).entropies

    def lens(self) -> Lens:
        """What the model would predict after each block, three tokens each."""
        return self.ask(LensRequest(self.trace.request, self.place.token, top=3))

    def pushes(self, winner: int) -> tuple[list[int], NDArray[np.float64]]:
        """The experts that ran, and what each adds directly to a token's logit."""
        seen = self.inspection(self.trace)
        row = seen.policies.index(self.chosen.policy)
        directions = self.ask(DirectionsRequest(self.trace.request, self.place.token, (winner,)))
        used = np.flatnonzero(seen.weights[row])
        return seen.ids[used].tolist(), contributions(seen, directions, row, 0)[used]


def begin() -> Details | None:
    """The run of the selection, or None after the page has said what is missing.

    The first call of a session asks for a run. After a stop, and where no model runs, the bundled
    record serves; it has routers but no vectors.
    """
    state.ask_once()
    line = st.empty()
    runs = state.asked() and answers.can_run(state.selection().model, line)
    trace = answers.current("full" if runs else "routing", line)
    if trace is None:
        return None
    chosen = state.selection().within(trace.geometry, len(trace.tokens))
    place = Place(
        trace.geometry,
        chosen.layer,
        chosen.token or 0,
        chosen.k,
        chosen.against,
        chosen.weighting,
        state.theme(),
        right_to_left(chosen.prompt),
        trace.template,
        trace.provenance.digest,
    )
    return Details(trace, chosen, place, answers.asking(line, COMPUTING))
