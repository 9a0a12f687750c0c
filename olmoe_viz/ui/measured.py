"""What follows the texts of a comparison: everything that is computed once they are written.

The texts stay as they are meanwhile; each part says what it waits for in its own place.
"""

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from olmoe_viz.ui import (
    columns,
    compare_cost,
    compare_export,
    compare_extra,
    compare_figures,
    compare_quality,
    measures,
    queue,
    state,
)
from olmoe_viz.ui.comparison import Comparison
from olmoe_viz.ui.model import get_model
from olmoe_viz.ui.notice import hint
from olmoe_viz.ui.trouble import TROUBLE, refuse

if TYPE_CHECKING:
    from olmoe_viz.analysis.speed import Bandwidth
    from olmoe_viz.models.load import Model


def draw(comparison: Comparison, slots: list[columns.Slot], reference: int) -> None:
    """Complete the texts, then quality, routing, extra experts, cost and files."""
    if state.selection().model != comparison.model:
        hint("These texts are another model's. Choose it again, or press Generate, to measure.")
        return
    model = get_model(comparison.model)
    if model is None or model.digest != comparison.digest or not comparison.records():
        return
    try:
        bandwidth = _measure(comparison, model, slots, reference)
    except TROUBLE as error:
        refuse(error)
        return
    _draw(comparison, model, bandwidth)


def _measure(
    comparison: Comparison, model: "Model", slots: list[columns.Slot], reference: int
) -> "Bandwidth":
    """Measure what is not known yet; a waiting stop gets through before each pass."""
    line = st.empty()
    if not comparison.measured:
        with queue.place(line):
            if not comparison.read_again:
                for words in measures.read_again(comparison, model):
                    line.caption(words)
                columns.settle(slots, comparison, reference)
            for words in measures.measure_prompt(comparison, model):
                line.caption(words)
        line.empty()
    # A fraction of a second, once for the server: no reason to stand in line.
    return measures.bandwidth(str(model.device))


def _draw(comparison: Comparison, model: "Model", bandwidth: "Bandwidth") -> None:
    compare_quality.draw(comparison)
    profiles = compare_figures.profiles(comparison)
    compare_figures.draw(comparison, profiles)
    extra = compare_extra.draw(comparison, model)
    costs = compare_cost.draw(comparison, model, bandwidth)
    facts = [
        cost | compare_quality.facts(column, one, model.name)
        for cost, column, one in zip(costs, comparison.columns, comparison.qualities, strict=True)
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


def _files(as_csv: str, as_json: str) -> None:
    with st.container(horizontal=True):
        st.download_button("Download CSV", as_csv, "comparison.csv", "text/csv", on_click="ignore")
        st.download_button(
            "Download JSON", as_json, "comparison.json", "application/json", on_click="ignore"
        )
