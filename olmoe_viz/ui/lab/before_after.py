"""What the model expects after the token, before and after, and how far its stream drifts."""

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from olmoe_viz.analysis.stream import distances
from olmoe_viz.figures import layer_change, rank_change
from olmoe_viz.numerics.divergence import kl_divergence, log_softmax
from olmoe_viz.records.prediction import Predictions
from olmoe_viz.records.trace import Trace
from olmoe_viz.requests import PredictRequest, TraceRequest
from olmoe_viz.ui.lab.settings import LabSettings
from olmoe_viz.ui.session import answers, state
from olmoe_viz.ui.session.errors import TROUBLE, refuse
from olmoe_viz.ui.session.selection import Selection
from olmoe_viz.ui.texts import lab as texts
from olmoe_viz.ui.widgets import origin, panel
from olmoe_viz.ui.widgets.figure import plot

_TOP = 8


def draw(trace: Trace, chosen: Selection, settings: LabSettings) -> None:
    """Draw both predictions and the drift, or what to do first."""
    if not settings.interventions:
        st.caption(texts.NOTHING_DONE)
        return
    token = chosen.token or 0
    badge = panel.head(texts.NEXT_TITLE, None)
    line = st.empty()
    ask = answers.asking(line, texts.COMPUTING)
    request = TraceRequest(chosen.model, chosen.text, settings.policy(trace.policy), "full")
    try:
        changed = ask(request)
        before, after = (
            ask(PredictRequest(run, (token,), top=_TOP, detail="logits"))
            for run in (trace.request, request)
        )
    except TROUBLE as error:
        refuse(error)
        return
    with badge:
        origin.badge(*answers.where(changed))
    st.text(_words(before, after))
    left, right = st.columns(2, gap="large")
    with left:
        sides = _side(before), _side(after)
        names = texts.BEFORE, texts.AFTER
        plot(rank_change.figure(*sides, names=names, theme=state.theme()), key="lab_ranks")
    with right:
        _drift(trace, changed, token, chosen.layer)


def _words(before: Predictions, after: Predictions) -> str:
    one, two = _logits(before), _logits(after)
    new = int(after.top_ids[0, 0])
    return texts.after(
        (before.top_tokens[0][0], after.top_tokens[0][0]),
        (float(before.probabilities[0, 0]), float(after.probabilities[0, 0])),
        kl_divergence(one, two),
        float(np.exp(log_softmax(one)[new])),
    )


def _logits(found: Predictions) -> NDArray[np.float32]:
    assert found.logits is not None  # noqa: S101 - they are asked for
    logits: NDArray[np.float32] = found.logits[0]
    return logits


def _side(found: Predictions) -> rank_change.Side:
    return found.top_ids[0].tolist(), found.top_tokens[0], found.probabilities[0]


def _drift(trace: Trace, changed: Trace, token: int, layer: int) -> None:
    shares = distances(trace, changed, token)
    if shares is None:
        return
    st.caption(texts.DRIFT_SAYS)
    plot(
        layer_change.figure(
            shares, name=texts.DRIFT_NAME, quantity=texts.DRIFT, layer=layer, theme=state.theme()
        ),
        key="lab_drift",
    )
    st.text(texts.drift(shares.tolist()))
