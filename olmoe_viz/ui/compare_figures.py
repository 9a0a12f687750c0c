"""Small figures under the columns of a comparison, the same axes in every column."""

from collections.abc import Callable, Sequence

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from olmoe_viz import routing
from olmoe_viz.charts import layer_profile
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.ui import panel, state
from olmoe_viz.ui.comparison import Column, Comparison
from olmoe_viz.ui.runs import Run

Profile = NDArray[np.float64]


def generated(comparison: Comparison) -> None:
    """Retained mass and gain of the generated tokens, layer by layer."""
    trained = comparison.geometry.trained_k
    _row(
        "Retained mass",
        "Sum of the k largest router probabilities, mean over the generated tokens, of 1.",
        comparison.columns,
        lambda column: routing.retained_mass(column.probabilities(), _k(column)).mean(axis=1),
    )
    _row(
        "Gain",
        "Sum of the weights that the experts' outputs are multiplied by, mean over the tokens.",
        comparison.columns,
        lambda column: routing.gain(column.probabilities(), column.policy, trained).mean(axis=1),
    )


def drift(columns: Sequence[Column], prompt: dict[str, Run], k: int) -> None:
    """Of the trained k's experts, how many still lead when another k has run before.

    `prompt` has a run of the prompt for each column's policy and for the trained k, by the
    policy's text form.
    """
    before = routing.probabilities(prompt[str(RoutingPolicy(k))].trace.router_logits)

    def kept(column: Column) -> Profile:
        after = routing.probabilities(prompt[str(column.policy)].trace.router_logits)
        shares: Profile = routing.overlap(before, after, k).mean(axis=1)
        return shares

    _row(
        f"Experts kept from k = {k}",
        f"Share of the {k} experts chosen at k = {k} that are among the first {k} here, mean over "
        "the prompt. Below 1, earlier layers have changed what the router sees.",
        columns,
        kept,
    )


def _row(
    title: str, words: str, columns: Sequence[Column], profile: Callable[[Column], Profile]
) -> None:
    panel.head(title, "live")
    st.caption(words)
    profiles = [profile(column) for column in columns]
    high = max(1.0, *(float(values.max()) for values in profiles))
    with st.container(key=f"profiles_{title[:8]}"):
        places = st.columns(len(columns))
    for at, (place, column, values) in enumerate(zip(places, columns, profiles, strict=True)):
        with place:
            st.caption(f"k = {_k(column)}, {column.policy.weighting.replace('_', '-')}")
            panel.chart(
                layer_profile.figure(
                    values, quantity=title.lower(), high=high, theme=state.theme()
                ),
                alt=layer_profile.describe(values, quantity=f"{title.lower()} at k = {_k(column)}"),
                key=f"{title}_{at}",
            )


def _k(column: Column) -> int:
    """The one k of a column; columns never have a k for each layer."""
    return int(str(column.policy.k))
