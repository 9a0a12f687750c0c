"""What the model measures on a comparison whose texts are written, kept for the next look.

The keys are the texts, the policies and the weights' digest; arrays never are.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from olmoe_viz.analysis.comparison import shared_prefix
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.trace import Generation

if TYPE_CHECKING:
    from olmoe_viz.analysis.extra_experts import ExtraExperts
    from olmoe_viz.analysis.quality import PromptQuality
    from olmoe_viz.analysis.speed import Bandwidth
    from olmoe_viz.models.load import Model

Float64s = NDArray[np.float64]
Key = tuple[object, ...]


def trained_probabilities(model: "Model", record: Generation) -> Float64s:
    """Probability of each token of a text under the trained k, float64 [tokens]."""
    trained = RoutingPolicy(model.geometry.trained_k)
    if record.policy == trained:
        return np.exp(record.logprobs.astype(np.float64))

    def work() -> Float64s:
        from olmoe_viz.analysis.quality import token_probabilities

        return token_probabilities(model, record, trained)

    return cast(Float64s, _kept(_key("tokens", record, *record.token_ids.tolist()), work))


def quality(model: "Model", record: Generation) -> "PromptQuality":
    """What the policy of a text makes of its prompt, against the trained k."""

    def work() -> "PromptQuality":
        from olmoe_viz.analysis.quality import prompt_quality

        (found,) = prompt_quality(model, record.prompt_ids.tolist(), [record.policy])
        return found

    return cast("PromptQuality", _kept(_key("quality", record, str(record.policy)), work))


def trained_routing(model: "Model", record: Generation) -> NDArray[np.float32]:
    """Router logits of the prompt under the trained k, float32 [layers, tokens, experts]."""
    trained = RoutingPolicy(model.geometry.trained_k)
    if record.policy == trained:
        return record.prompt_router_logits

    def work() -> NDArray[np.float32]:
        from olmoe_viz.engine.recording import trace

        return trace(model, record.prompt_ids.tolist(), trained).router_logits

    return cast("NDArray[np.float32]", _kept(_key("routing", record), work))


def extra_experts(model: "Model", small: Generation, large: Generation) -> "ExtraExperts":
    """What the larger k adds at the first token where two texts part; they must part."""
    place = shared_prefix(small.token_ids, large.token_ids)
    ids = [*small.prompt_ids.tolist(), *small.token_ids[:place].tolist()]
    candidates = (int(small.token_ids[place]), int(large.token_ids[place]))

    def work() -> "ExtraExperts":
        from olmoe_viz.analysis.extra_experts import extra_experts as find

        return find(model, ids, small.policy, large.policy, candidates)

    place_of = (str(small.policy), str(large.policy), *candidates, *ids)
    return cast("ExtraExperts", _kept(_key("extra", small, *place_of), work))


@st.cache_resource(max_entries=2, show_spinner=False)
def bandwidth(device: str) -> "Bandwidth":
    """The copy bandwidth of a device, measured once for the server."""
    from olmoe_viz.analysis.speed import copy_bandwidth

    return copy_bandwidth(device)


def _key(name: str, record: Generation, *more: object) -> Key:
    return (name, record.prompt, record.provenance.digest, *more)


@st.cache_resource(max_entries=128, show_spinner=False)
def _kept(key: Key, _work: Callable[[], Any]) -> Any:  # noqa: ARG001 - what the cache goes by
    return _work()
