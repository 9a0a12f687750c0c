"""Why there are experts at all, and how training kept all of them in use."""

import csv
from pathlib import Path

import streamlit as st

import olmoe_viz
from olmoe_viz.analysis.observed import observed
from olmoe_viz.figures import training_curve
from olmoe_viz.models.catalogue import BUNDLED
from olmoe_viz.numerics.costs import active_parameters, total_parameters
from olmoe_viz.records.model_facts import ModelFacts
from olmoe_viz.requests import ModelRequest
from olmoe_viz.ui.quality import tables
from olmoe_viz.ui.session import engine, state
from olmoe_viz.ui.texts import observed as observed_texts
from olmoe_viz.ui.texts import why_experts as texts
from olmoe_viz.ui.widgets import origin, panel
from olmoe_viz.ui.widgets.figure import plot

_LAYERS = Path(olmoe_viz.__file__).parent / "data" / "layers.csv"


def draw() -> None:
    """Parameters of the bundled model, what is reported at full size, and the balance."""
    facts = engine.bundled().kept(ModelRequest(BUNDLED))
    if not isinstance(facts, ModelFacts):
        return
    geometry, k = facts.geometry, facts.geometry.trained_k
    panel.head(texts.TITLE, "derived")
    st.markdown(
        texts.parameters(
            total_parameters(geometry), active_parameters(geometry, k), k, geometry.experts
        )
    )
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(texts.FULL_SIZE, width=720)
        origin.badge("quoted", texts.SOURCE)
    found = observed(facts.provenance.digest)
    if found is None:
        return
    panel.head(texts.BALANCE_TITLE, "recorded", tables.where(texts.CURVE))
    st.markdown(f"{texts.BALANCE} {observed_texts.balance(found.balance)} {_held_out()}")
    plot(
        training_curve.figure(
            found.balance, quantity=texts.LOSS, ideal=(1.0, texts.EVEN), theme=state.theme()
        ),
        key="balance",
    )


def _held_out() -> str:
    """How evenly experts were used on held-out text, from the recorded table of layers."""
    with _LAYERS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return texts.held_out(
        min(float(row["least_load"]) for row in rows),
        max(float(row["greatest_load"]) for row in rows),
        sum(int(row["dead_experts"]) for row in rows),
    )
