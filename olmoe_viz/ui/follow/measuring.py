"""Measuring the prompt under several values of k, when the visitor asks for it.

Rows are kept in the session, one at a time, so that a stop keeps those that are there.
"""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from olmoe_viz.analysis.tradeoff import TradeOff, tradeoff
from olmoe_viz.engine.engine import Ask
from olmoe_viz.numerics.geometry import Geometry
from olmoe_viz.ui.follow.details import Details
from olmoe_viz.ui.session.errors import TROUBLE, refuse
from olmoe_viz.ui.texts import follow as texts

_KEPT = "tradeoff"
_WISH = "wish_for_tradeoff"


def ks_of(geometry: Geometry) -> list[int]:
    """What is measured: 1, half, once, twice and four times the trained k, and all experts."""
    trained, experts = geometry.trained_k, geometry.experts
    wanted = {1, max(trained // 2, 1), trained, 2 * trained, 4 * trained, experts}
    return sorted(k for k in wanted if k <= experts)


def wish() -> None:
    """Callback: measure when the page is drawn next, even if that takes a second run."""
    st.session_state[_WISH] = True


def take_wish() -> bool:
    """Whether the visitor wants to measure; asked once, it is forgotten."""
    return bool(st.session_state.pop(_WISH, False))


def measured(details: Details) -> list[TradeOff]:
    """What was measured for this prompt; after a stop, the first rows of it."""
    place, rows = st.session_state.get(_KEPT, ((), []))
    return list(rows) if place == _key(details) else []


def measure(details: Details, line: DeltaGenerator, ask: Ask) -> None:
    """Measure one k after the other; a stop ends it while the next one is computed.

    `line` shows the progress. What the engine cannot compute is said in a sentence.
    """
    ks = ks_of(details.place.geometry)
    rows: list[TradeOff] = []
    st.session_state[_KEPT] = (_key(details), rows)
    chosen = details.chosen
    try:
        line.progress(0.0, text=texts.selected_with(ks[0]))
        for row in tradeoff(ask, chosen.model, chosen.text, ks, weighting=chosen.weighting):
            rows.append(row)
            done = len(rows)
            words = texts.selected_with(ks[done]) if done < len(ks) else texts.DONE
            line.progress(done / len(ks), text=words)
    except TROUBLE as error:
        refuse(error)


def _key(details: Details) -> tuple[object, ...]:
    chosen, provenance = details.chosen, details.trace.provenance
    return (chosen.text, chosen.weighting, provenance.model, provenance.digest)
