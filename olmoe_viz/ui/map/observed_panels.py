"""What was observed beforehand: of the first token, and of experiments to try."""

from urllib.parse import urlencode

import streamlit as st

from olmoe_viz.analysis.observed import Experiment, Observed, observed
from olmoe_viz.models.catalogue import BUNDLED
from olmoe_viz.records.trace import Trace
from olmoe_viz.ui.texts import observed as texts
from olmoe_viz.ui.widgets import panel


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


def _link(each: Experiment) -> str:
    """The map of the text, at the second token in the layer that shares least."""
    layer = each.shared.index(min(each.shared))
    return "?" + urlencode({"prompt": each.prompt, "token": each.places[1], "layer": layer})


def _where(found: Observed) -> str:
    return f"{BUNDLED} ({found.digest[:12]}), {found.date}."
