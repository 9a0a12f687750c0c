"""Measurements of a comparison whose texts are complete.

The comparison keeps the results, so each is measured once. A run of the page that was stopped may
still wait for an answer when the next one begins: each result is assigned to its own place in a
list, so both may write it.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.analysis import extra_experts
from olmoe_viz.analysis.quality import prompt_quality, token_probabilities
from olmoe_viz.analysis.token_diff import shared_prefix
from olmoe_viz.engine.engine import Ask
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.records.generation import Generation
from olmoe_viz.records.record import ExpertIds
from olmoe_viz.records.timing import Bandwidth
from olmoe_viz.requests import BandwidthRequest, ScoreRequest, TraceRequest
from olmoe_viz.ui.compare.comparison import Comparison
from olmoe_viz.ui.texts import compare as texts

Asking = Callable[[str], Ask]  # from the words shown meanwhile to a call that asks

_bandwidths: dict[str, Bandwidth] = {}


def read_again(comparison: Comparison, asking: Asking) -> None:
    """Score every text under the trained k."""
    trained, records = _trained(comparison), comparison.records()
    for at in range(len(comparison.trained), len(records)):
        ask = asking(texts.reading_again(at + 1, len(records)))
        comparison.trained[at : at + 1] = [_by_trained(records[at], trained, ask)]


def measure_prompt(comparison: Comparison, asking: Asking) -> None:
    """Score the prompt under every policy, and route it with the trained k."""
    model, prompt, trained = comparison.model, comparison.prompt, _trained(comparison)
    if not comparison.qualities:
        ask = asking(texts.MEASURING_PROMPT)
        policies = tuple(column.policy for column in comparison.columns)
        scores = ask(ScoreRequest(model, prompt, policies, reference=trained))
        comparison.qualities = prompt_quality(scores)
    if comparison.routed is None:
        comparison.routed = _routed(comparison, trained, asking)


def _trained(comparison: Comparison) -> RoutingPolicy:
    return RoutingPolicy(comparison.geometry.trained_k)


def _by_trained(record: Generation, trained: RoutingPolicy, ask: Ask) -> NDArray[np.float64]:
    """The probability of each generated token under the trained k."""
    if record.policy == trained or not record.tokens:
        return np.exp(record.logprobs.astype(np.float64))
    text = (*record.prompt_ids.tolist(), *record.token_ids.tolist())
    scores = ask(ScoreRequest(record.request.model, text, (trained,)))
    return token_probabilities(scores, 0, len(record.prompt_ids))


def _routed(comparison: Comparison, trained: RoutingPolicy, asking: Asking) -> ExpertIds:
    """The experts that the trained k chose for the prompt, [layers, tokens, trained k]."""
    for record in comparison.records():
        if record.policy == trained:
            return record.prompt_expert_ids
    ask = asking(texts.ROUTING_PROMPT)
    return ask(TraceRequest(comparison.model, comparison.prompt, trained)).expert_ids


def what_was_added(small: Generation, large: Generation, ask: Ask) -> extra_experts.ExtraExperts:
    """What the larger k adds at the first token where two texts part; they must part."""
    place = shared_prefix(small.token_ids, large.token_ids)
    ids = [*small.prompt_ids.tolist(), *small.token_ids[:place].tolist()]
    candidates = (int(small.token_ids[place]), int(large.token_ids[place]))
    model = small.request.model
    return extra_experts.extra_experts(ask, model, ids, small.policy, large.policy, candidates)


def known_bandwidth(device: str) -> Bandwidth | None:
    """The copy bandwidth of a device, if it has been measured."""
    return _bandwidths.get(device)


def bandwidth(model: str, device: str, ask: Ask) -> Bandwidth:
    """The copy bandwidth of a device, measured once for the server."""
    if device not in _bandwidths:
        _bandwidths[device] = ask(BandwidthRequest(model))
    return _bandwidths[device]
