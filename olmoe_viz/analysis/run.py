"""One view of every record that says how a text was routed: a trace, or a generation."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.errors import InputError
from olmoe_viz.numerics import routing
from olmoe_viz.numerics.geometry import Geometry
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.records.comparison import Comparison
from olmoe_viz.records.generation import Generation
from olmoe_viz.records.provenance import Provenance
from olmoe_viz.records.record import ExpertIds, Float32s, Ids, Record
from olmoe_viz.records.trace import Trace


@dataclass(frozen=True, eq=False)
class Run:
    """How a text was routed, whichever record has it.

    `token_ids` is int64 [tokens] and `tokens` their visible text; of a generation's prompt only the
    ids are recorded, which then stand for the text as "#12". `written_from` is the first token that
    the model wrote itself, or their number. `router_logits`, `expert_ids` and `weights` are as in a
    Trace: [layers, tokens, experts] and [layers, tokens, largest k].
    """

    model: str
    text: str
    policy: RoutingPolicy
    tokens: tuple[str, ...]
    written_from: int
    geometry: Geometry
    provenance: Provenance
    token_ids: Ids
    router_logits: Float32s
    expert_ids: ExpertIds
    weights: Float32s

    def probabilities(self) -> NDArray[np.float64]:
        """Return the router probabilities, float64 [layers, tokens, experts]."""
        return routing.probabilities(self.router_logits)


def run_of(record: Record | Comparison) -> Run:
    """Return how a record's text was routed; InputError for a record that does not say so."""
    if isinstance(record, Trace):
        return _of_trace(record)
    if isinstance(record, Generation):
        return _of_generation(record)
    if isinstance(record, Comparison):
        raise InputError("A comparison holds several texts: choose one of its generations.")
    raise InputError(
        f"A trace or a generation is needed; a record of kind {record.kind} does not say how a "
        "text was routed."
    )


def _of_trace(trace: Trace) -> Run:
    return Run(
        trace.request.model,
        trace.text,
        trace.policy,
        trace.tokens,
        len(trace.tokens),
        trace.geometry,
        trace.provenance,
        trace.token_ids,
        trace.router_logits,
        trace.expert_ids,
        trace.weights,
    )


def _of_generation(generation: Generation) -> Run:
    prompt = tuple(f"#{token}" for token in generation.prompt_ids.tolist())

    def joined(name: str) -> NDArray[Any]:
        parts = getattr(generation, f"prompt_{name}"), getattr(generation, name)
        return np.concatenate(parts, axis=1)

    return Run(
        generation.request.model,
        generation.prompt + generation.text,
        generation.policy,
        prompt + generation.tokens,
        len(prompt),
        generation.geometry,
        generation.provenance,
        np.concatenate([generation.prompt_ids, generation.token_ids]),
        joined("router_logits"),
        joined("expert_ids"),
        joined("weights"),
    )
