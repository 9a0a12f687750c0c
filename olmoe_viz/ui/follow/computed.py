"""Numbers that the model computes for the page, kept for the next look at the same place.

The keys are the text, the policy, the weights' digest and the place; arrays never are.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from olmoe_viz.policy import WEIGHTINGS, RoutingPolicy
from olmoe_viz.records.trace import Trace

if TYPE_CHECKING:
    from olmoe_viz.analysis.inspection import Inspection
    from olmoe_viz.analysis.prediction import Lens, Prediction
    from olmoe_viz.models.load import Model

Key = tuple[object, ...]
Work = tuple["Model", Trace, Callable[[], Any]]
_LAST = 64


def inspection(
    model: "Model", trace: Trace, layer: int, token: int, ks: tuple[int, ...]
) -> "Inspection":
    """One token of one layer under every weighting and k: the first weighting's ks come first."""

    def work() -> "Inspection":
        from olmoe_viz.analysis.inspection import inspect

        policies = [RoutingPolicy(k, weighting) for weighting in WEIGHTINGS for k in ks]
        return inspect(model, trace, layer, token, policies)

    return cast(
        "Inspection", _kept(_key("inspection", trace, layer, token, ks), (model, trace, work))
    )


def attention(model: "Model", trace: Trace, layer: int, token: int) -> NDArray[np.float32]:
    """Attention of one token to itself and those before it, [heads, token + 1]."""

    def work() -> NDArray[np.float32]:
        from olmoe_viz.analysis.attention import attention_weights

        return attention_weights(model, trace, layer, [token])[:, 0, : token + 1]

    return cast(
        "NDArray[np.float32]", _kept(_key("attention", trace, layer, token), (model, trace, work))
    )


def attention_window(
    model: "Model", trace: Trace, layer: int, first: int, last: int
) -> NDArray[np.float32]:
    """Attention among the tokens from `first` up to before `last`, [heads, tokens, tokens]."""

    def work() -> NDArray[np.float32]:
        from olmoe_viz.analysis.attention import attention_weights

        rows = attention_weights(model, trace, layer, range(first, last))
        return rows[:, :, first:last].copy()  # a view would hold on to the columns left out

    return cast(
        "NDArray[np.float32]",
        _kept_large(_key("window", trace, layer, first, last), (model, trace, work)),
    )


def prediction(model: "Model", trace: Trace, token: int) -> "Prediction":
    """What the model expects after one token."""

    def work() -> "Prediction":
        from olmoe_viz.analysis.prediction import predict

        return predict(model, trace, token)

    return cast("Prediction", _kept(_key("prediction", trace, token), (model, trace, work)))


def entropies(model: "Model", one: Trace, two: Trace) -> list[tuple[float, float]]:
    """Entropy of the prediction after each of the last tokens, at most 64, in both traces."""

    def work() -> list[tuple[float, float]]:
        from olmoe_viz.analysis.prediction import predict

        tokens = range(len(one.tokens))[-_LAST:]
        return [
            (predict(model, one, token).entropy, predict(model, two, token).entropy)
            for token in tokens
        ]

    return cast(
        "list[tuple[float, float]]",
        _kept(_key("entropies", one, str(two.policy)), (model, one, work)),
    )


def lens(model: "Model", trace: Trace, token: int) -> "Lens":
    """The prediction after one token as each block would already make it."""

    def work() -> "Lens":
        from olmoe_viz.analysis.prediction import logit_lens

        return logit_lens(model, trace, token, top=3)

    return cast("Lens", _kept(_key("lens", trace, token), (model, trace, work)))


def _key(name: str, trace: Trace, *place: object) -> Key:
    return (name, trace.text, str(trace.policy), trace.provenance.digest, *place)


@st.cache_resource(max_entries=128, show_spinner=False)
def _kept(key: Key, _work: Work) -> Any:  # noqa: ARG001 - what the cache goes by
    return _done(*_work)


# A window of attention takes 4 * heads * tokens^2 bytes: 2.4 MB for OLMoE's 16 heads, 192 tokens.
@st.cache_resource(max_entries=8, show_spinner=False)
def _kept_large(key: Key, _work: Work) -> Any:  # noqa: ARG001
    return _done(*_work)


def _done(model: "Model", trace: Trace, work: Callable[[], Any]) -> Any:
    from olmoe_viz.engine.threads import threads

    with threads(model, len(trace.tokens)):
        return work()
