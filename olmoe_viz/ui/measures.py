"""What the model measures on a comparison whose texts are written.

The comparison keeps it, so that it is worked out once and goes when the comparison goes. Whoever
calls one of these holds a place in the line. A run of the page that was stopped may still be in a
pass when the next one begins: each result goes to its own place in a list, whoever is first.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from olmoe_viz.analysis.comparison import shared_prefix
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.records.generation import Generation
from olmoe_viz.ui.comparison import Comparison

if TYPE_CHECKING:
    from olmoe_viz.analysis.extra_experts import ExtraExperts
    from olmoe_viz.analysis.speed import Bandwidth
    from olmoe_viz.models.load import Model


def read_again(comparison: Comparison, model: "Model") -> Iterator[str]:
    """Give every text to the trained k; before each pass, yield words on it."""
    from olmoe_viz.analysis.quality import token_probabilities

    trained, records = RoutingPolicy(model.geometry.trained_k), comparison.records()
    for at in range(len(comparison.trained), len(records)):
        yield f"Reading text {at + 1} of {len(records)} again with the trained k."
        record = records[at]
        comparison.trained[at : at + 1] = [
            np.exp(record.logprobs.astype(np.float64))
            if record.policy == trained
            else token_probabilities(model, record, trained)
        ]


def measure_prompt(comparison: Comparison, model: "Model") -> Iterator[str]:
    """Give the prompt to every policy and to the trained k; before each pass, yield words on it."""
    from olmoe_viz.analysis.quality import prompt_quality

    first = len(comparison.qualities)
    policies = [column.policy for column in comparison.columns[first:]]
    ids = comparison.records()[0].prompt_ids.tolist()
    found = prompt_quality(model, ids, policies)
    for at in range(first, len(comparison.columns)):
        yield f"Measuring {comparison.columns[at].name} on the prompt."
        comparison.qualities[at : at + 1] = [next(found)]
    if comparison.routed is None:
        yield "Routing the prompt with the trained k."
        comparison.routed = _trained_routing(model, comparison.records())


def _trained_routing(model: "Model", records: list[Generation]) -> np.ndarray:
    """Router logits of the prompt under the trained k, float32 [layers, tokens, experts]."""
    from olmoe_viz.engine.recording import trace

    trained = RoutingPolicy(model.geometry.trained_k)
    for record in records:
        if record.policy == trained:
            return record.prompt_router_logits
    return trace(model, records[0].prompt_ids.tolist(), trained).router_logits


def extra_experts(model: "Model", small: Generation, large: Generation) -> "ExtraExperts":
    """What the larger k adds at the first token where two texts part; they must part."""
    from olmoe_viz.analysis.extra_experts import extra_experts as find

    place = shared_prefix(small.token_ids, large.token_ids)
    ids = [*small.prompt_ids.tolist(), *small.token_ids[:place].tolist()]
    candidates = (int(small.token_ids[place]), int(large.token_ids[place]))
    return find(model, ids, small.policy, large.policy, candidates)


@st.cache_resource(max_entries=2, show_spinner=False)
def bandwidth(device: str) -> "Bandwidth":
    """The copy bandwidth of a device, measured once for the server."""
    from olmoe_viz.analysis.speed import copy_bandwidth

    return copy_bandwidth(device)
