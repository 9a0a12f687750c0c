"""What is below the texts of a comparison: everything that is computed once they are complete.

The texts stay on the page meanwhile; each part names what it waits for in its own place.
"""

import numpy as np
import streamlit as st

from olmoe_viz.engine.engine import Ask
from olmoe_viz.records.model_facts import ModelFacts
from olmoe_viz.records.timing import Bandwidth
from olmoe_viz.requests import ModelRequest
from olmoe_viz.ui.compare import (
    cost,
    export,
    extra_experts,
    measurement,
    quality,
    routing_figures,
    text_columns,
)
from olmoe_viz.ui.compare.comparison import Comparison
from olmoe_viz.ui.session import answers, state
from olmoe_viz.ui.session.errors import TROUBLE, refuse
from olmoe_viz.ui.texts import compare as texts
from olmoe_viz.ui.widgets.message import hint, note


def draw(comparison: Comparison, slots: list[text_columns.Slot], reference: int) -> None:
    """Measure, then draw quality, routing, extra experts, cost and files."""
    if state.selection().model != comparison.model:
        hint(texts.OTHER_MODEL)
        return
    model = answers.answer(ModelRequest(comparison.model))
    if model is None or not comparison.records():
        return
    if model.provenance.digest != comparison.digest:
        note(texts.OTHER_WEIGHTS)
        return
    try:
        comparison.bandwidth = _measure(comparison, model, slots, reference)
    except TROUBLE as error:
        refuse(error)
        return
    _draw(comparison, comparison.bandwidth)


def _measure(
    comparison: Comparison, model: ModelFacts, slots: list[text_columns.Slot], reference: int
) -> Bandwidth:
    """Measure what is not known yet; a stop raises its exception before each request."""
    line = st.empty()

    def asking(words: str) -> Ask:
        line.caption(words)
        return answers.asking(line, words)

    if not comparison.read_again:
        measurement.read_again(comparison, asking)
        text_columns.settle(slots, comparison, reference)
    measurement.measure_prompt(comparison, asking)
    device = model.provenance.device
    found = measurement.bandwidth(comparison.model, device, answers.asking(line))
    line.empty()
    return found


def _draw(comparison: Comparison, bandwidth: Bandwidth) -> None:
    quality.draw(comparison)
    profiles = routing_figures.profiles(comparison)
    routing_figures.draw(comparison, profiles)
    extra = extra_experts.draw(comparison)
    costs = cost.draw(comparison, bandwidth)
    facts = [
        cost | quality.facts(column, one, comparison.model)
        for cost, column, one in zip(costs, comparison.columns, comparison.qualities, strict=True)
    ]
    details = [
        {"trained_logprobs": np.log(probabilities).tolist()}
        | {f"{name} by layer": values[at].tolist() for name, values in profiles.items()}
        for at, probabilities in enumerate(comparison.trained)
    ]
    _files(
        export.csv_text(comparison, facts),
        export.json_text(comparison, facts, details, {"extra_experts": extra}),
    )


def _files(as_csv: str, as_json: str) -> None:
    with st.container(horizontal=True):
        st.download_button(texts.CSV, as_csv, "comparison.csv", "text/csv", on_click="ignore")
        st.download_button(
            texts.JSON, as_json, "comparison.json", "application/json", on_click="ignore"
        )
