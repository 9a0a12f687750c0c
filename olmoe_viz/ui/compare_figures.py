"""Small figures of the routing, layer by layer, the same axes in every column."""

from collections.abc import Sequence

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from olmoe_viz.numerics import routing
from olmoe_viz.figures import layer_profile
from olmoe_viz.ui import columns, glossary, panel, state
from olmoe_viz.ui.comparison import Comparison, distinct_names

Profile = NDArray[np.float64]
Profiles = dict[str, list[Profile]]


def profiles(comparison: Comparison) -> Profiles:
    """Three quantities of the prompt by name, for each column an array [layers].

    Raises ValueError while the comparison has not been measured.
    """
    if comparison.routed is None:
        raise ValueError("The prompt's routing under the trained k is not known yet.")
    k = comparison.geometry.trained_k
    before = routing.probabilities(comparison.routed)
    found: Profiles = {"experts kept": [], "retained mass": [], "gain": []}
    for column, record in zip(comparison.columns, comparison.records(), strict=True):
        after = routing.probabilities(record.prompt_router_logits)
        gain = routing.gain(after, column.policy, k)
        found["experts kept"].append(routing.overlap(before, after, k).mean(axis=1))
        found["retained mass"].append(routing.retained_mass(after, column.k).mean(axis=1))
        found["gain"].append(gain.mean(axis=1))
    return found


def draw(comparison: Comparison, found: Profiles) -> None:
    """A row of figures for each quantity."""
    k = comparison.geometry.trained_k
    words = {
        "experts kept": f"Of the {k} experts chosen at k = {k}, the share that is among the first "
        f"{k} here. Below 1, earlier layers have changed what the router sees.",
        "retained mass": "Sum of the k largest router probabilities, of 1.",
        "gain": "Sum of the weights that the experts' outputs are multiplied by.",
    }
    panel.head("Routing drift", "live", columns.details(comparison.columns))
    st.caption(
        "By layer, the mean over the tokens of the prompt, which are the same in every column. In "
        f"the glossary: {', '.join(map(glossary.link, ('drift', 'retained mass', 'gain')))}."
    )
    names = distinct_names(comparison.columns)
    for quantity, values in found.items():
        st.markdown(f"**{quantity.capitalize()}.** {words[quantity]}")
        _row(quantity, names, values)


def _row(quantity: str, names: Sequence[str], values: Sequence[Profile]) -> None:
    high = max(1.0, *(float(profile.max()) for profile in values))
    with st.container(key=f"profiles_{quantity[:8]}"):
        places = st.columns(len(names))
    for place, name, profile in zip(places, names, values, strict=True):
        with place:
            st.caption(name)
            panel.chart(
                layer_profile.figure(profile, quantity=quantity, high=high, theme=state.theme()),
                alt=layer_profile.describe(profile, quantity=f"{quantity} at {name}"),
                key=f"{quantity}_{places.index(place)}",
            )
