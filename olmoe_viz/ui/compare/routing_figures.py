"""Small figures of the routing, layer by layer, the same axes in every column."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from olmoe_viz.figures import layer_profile
from olmoe_viz.numerics import routing
from olmoe_viz.records.generation import Generation
from olmoe_viz.ui import glossary
from olmoe_viz.ui.compare import text_columns
from olmoe_viz.ui.compare.comparison import Comparison, distinct_names
from olmoe_viz.ui.session import state
from olmoe_viz.ui.texts import compare as texts
from olmoe_viz.ui.widgets import panel
from olmoe_viz.ui.widgets.figure import plot

Profile = NDArray[np.float64]
Profiles = dict[str, list[Profile]]
_TERMS = ("drift", "retained mass", "gain")


def profiles(comparison: Comparison) -> Profiles:
    """Three quantities of the prompt by name, for each column an array [layers].

    Raises ValueError while the comparison has not been measured.
    """
    if comparison.routed is None:
        raise ValueError("The prompt's routing under the trained k is not known yet.")
    geometry = comparison.geometry
    chosen = routing.used(comparison.routed, geometry.experts)
    found: Profiles = {texts.KEPT_EXPERTS: [], texts.MASS: [], texts.GAIN: []}
    for record in comparison.records():
        kept = chosen & routing.used(_first(record, geometry.trained_k), geometry.experts)
        probabilities = routing.probabilities(record.prompt_router_logits)
        mass = routing.mass(probabilities, record.prompt_expert_ids)
        found[texts.KEPT_EXPERTS].append(kept.sum(axis=-1).mean(axis=1) / geometry.trained_k)
        found[texts.MASS].append(mass.mean(axis=1))
        found[texts.GAIN].append(record.prompt_weights.sum(axis=-1, dtype=np.float64).mean(axis=1))
    return found


def _first(record: Generation, k: int) -> NDArray[np.integer[Any]]:
    """The first `k` experts of each token of the prompt: those that ran, if so many did.

    Where fewer ran, the others are those that the router ranks next.
    """
    if record.prompt_expert_ids.shape[-1] >= k:
        return record.prompt_expert_ids[..., :k]
    return routing.ranking(routing.probabilities(record.prompt_router_logits))[..., :k]


def draw(comparison: Comparison, found: Profiles) -> None:
    """A row of figures for each quantity."""
    k = comparison.geometry.trained_k
    fewer = any(column.k < k for column in comparison.columns)
    words = texts.drift_quantities(k, fewer=fewer)
    panel.head(texts.DRIFT_TITLE, *text_columns.where(comparison.columns))
    st.caption(texts.drift_words(", ".join(map(glossary.link, _TERMS))))
    names = distinct_names(comparison.columns)
    for quantity, values in found.items():
        st.markdown(f"**{quantity.capitalize()}.** {words[quantity]}")
        _row(quantity, names, values, comparison.geometry.layer_ids)


def _row(
    quantity: str, names: Sequence[str], values: Sequence[Profile], layer_ids: Sequence[int]
) -> None:
    high = max(1.0, *(float(profile.max()) for profile in values))
    with st.container(key=f"profiles_{quantity[:8]}"):
        places = st.columns(len(names))
    for place, name, profile in zip(places, names, values, strict=True):
        with place:
            st.caption(name)
            plot(
                layer_profile.figure(
                    profile,
                    layer_ids=layer_ids,
                    quantity=quantity,
                    high=high,
                    name=name,
                    theme=state.theme(),
                ),
                key=f"{quantity}_{places.index(place)}",
            )
