"""What was observed beforehand: the first token, experiments to try, why there are experts."""

import csv
from pathlib import Path
from urllib.parse import urlencode

import streamlit as st

import olmoe_viz
from olmoe_viz.analysis.observed import Experiment, Observed, observed
from olmoe_viz.figures import training_curve
from olmoe_viz.models.catalogue import BUNDLED
from olmoe_viz.numerics.costs import active_parameters, total_parameters
from olmoe_viz.records.trace import Trace
from olmoe_viz.ui.session import state
from olmoe_viz.ui.texts import observed as texts
from olmoe_viz.ui.texts import why_experts
from olmoe_viz.ui.widgets import origin, panel
from olmoe_viz.ui.widgets.figure import plot

_LAYERS = Path(olmoe_viz.__file__).parent / "data" / "layers.csv"


def first_token(trace: Trace, layer: int) -> str | None:
    """What is special about the first token in a layer; None where it was not measured."""
    found, trained = observed(trace.provenance.digest), trace.geometry.trained_k
    if found is None or trace.policy.k != trained:
        return None
    return texts.first_token(layer, trained, found.texts, found.first, found.last)


def experiments(trace: Trace) -> None:
    """Links to texts, each with its question and what was measured."""
    found = observed(trace.provenance.digest)
    if found is None:
        return
    panel.head(texts.TRY, "recorded", _where(found))
    k = trace.geometry.trained_k
    st.markdown(
        "\n".join(
            f"- {texts.question(each.name, _link(each))}  \n"
            + texts.shared(each.tokens, each.shared, each.usual, k)
            for each in found.experiments
        )
    )


def why(trace: Trace) -> None:
    """Parameters of the model at hand, what its authors report at full size, and the balance."""
    geometry, ks = trace.geometry, trace.expert_ids.shape[-1]
    try:
        total, active = total_parameters(geometry), active_parameters(geometry, ks)
    except ValueError:  # the formulas do not know its blocks
        return
    panel.head(why_experts.TITLE, "derived")
    st.markdown(why_experts.parameters(total, active, ks, geometry.experts))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(why_experts.FULL_SIZE, width=720)
        origin.badge("quoted", why_experts.SOURCE)
    found = observed(trace.provenance.digest)
    if found is None:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(
            f"{why_experts.BALANCE} {texts.balance(found.balance)} {_held_out()}", width=720
        )
        origin.badge("recorded", f"{why_experts.BALANCE_ORIGIN} {_where(found)}")
    plot(
        training_curve.figure(
            found.balance,
            quantity=why_experts.LOSS,
            ideal=(1.0, why_experts.EVEN),
            theme=state.theme(),
        ),
        key="balance",
    )


def _held_out() -> str:
    """How evenly experts were used on held-out text, from the recorded table of layers."""
    with _LAYERS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return why_experts.held_out(
        min(float(row["least_load"]) for row in rows),
        max(float(row["greatest_load"]) for row in rows),
        sum(int(row["dead_experts"]) for row in rows),
    )


def _link(each: Experiment) -> str:
    """The map of the text, at the second token in the layer that shares least."""
    layer = each.shared.index(min(each.shared))
    return "?" + urlencode({"prompt": each.prompt, "token": each.places[1], "layer": layer})


def _where(found: Observed) -> str:
    return f"{BUNDLED} ({found.digest[:12]}), {found.date}."
