"""What follows the texts of a comparison: everything that is computed once they are written.

The texts stay as they are meanwhile; each part says what it waits for in its own place.
"""

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from olmoe_viz.trace import Generation
from olmoe_viz.ui import (
    columns,
    compare_cost,
    compare_export,
    compare_extra,
    compare_figures,
    compare_quality,
    measures,
    state,
)
from olmoe_viz.ui.comparison import Comparison
from olmoe_viz.ui.model import get_model
from olmoe_viz.ui.notice import hint

if TYPE_CHECKING:
    from olmoe_viz.analysis.quality import PromptQuality
    from olmoe_viz.models.load import Model


def draw(comparison: Comparison, slots: list[columns.Slot], reference: int) -> None:
    """Complete the texts, then quality, routing, extra experts, cost and files."""
    if state.selection().model != comparison.model:
        hint("These texts are another model's. Choose it again, or press Generate, to measure.")
        return
    model = get_model(comparison.model)
    records = [column.generation for column in comparison.columns if column.generation]
    if model is None or model.digest != comparison.digest or not records:
        return
    if comparison.trained is None:
        with st.spinner("Reading each text again with the trained k."):
            found = [measures.trained_probabilities(model, record) for record in records]
        comparison.trained = found
        columns.settle(slots, comparison, reference)
    qualities = _qualities(comparison, model, records)
    compare_quality.draw(comparison, qualities)
    with st.spinner("Routing the prompt with the trained k."):
        routed = measures.trained_routing(model, records[0])
    profiles = compare_figures.profiles(comparison, routed)
    compare_figures.draw(comparison, profiles)
    extra = compare_extra.draw(comparison, model)
    costs = compare_cost.draw(comparison, model)
    facts = [
        cost | compare_quality.facts(column, one, model.name)
        for cost, column, one in zip(costs, comparison.columns, qualities, strict=True)
    ]
    details = [
        {"trained_logprobs": np.log(probabilities).tolist()}
        | {f"{name} by layer": values[at].tolist() for name, values in profiles.items()}
        for at, probabilities in enumerate(comparison.trained)
    ]
    _files(
        compare_export.csv_text(comparison, facts),
        compare_export.json_text(comparison, facts, details, {"extra_experts": extra}),
    )


def _qualities(
    comparison: Comparison, model: "Model", records: list[Generation]
) -> "list[PromptQuality]":
    """One column at a time, so that a waiting stop gets through between two of them."""
    found = []
    for column, record in zip(comparison.columns, records, strict=True):
        with st.spinner(f"Measuring {column.name} on the prompt."):
            found.append(measures.quality(model, record))
    return found


def _files(as_csv: str, as_json: str) -> None:
    with st.container(horizontal=True):
        st.download_button("Download CSV", as_csv, "comparison.csv", "text/csv", on_click="ignore")
        st.download_button(
            "Download JSON", as_json, "comparison.json", "application/json", on_click="ignore"
        )
