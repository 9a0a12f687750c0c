"""What changes with more experts: the trade-off table, measured when one asks for it."""

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from olmoe_viz.analysis.tradeoff import TradeOff, tradeoff
from olmoe_viz.engine.engine import Ask
from olmoe_viz.figures import tradeoff as chart
from olmoe_viz.figures.labels import digits, shorten, visible
from olmoe_viz.numerics.geometry import Geometry
from olmoe_viz.ui.follow import claims
from olmoe_viz.ui.follow.story import Story
from olmoe_viz.ui.session import answers
from olmoe_viz.ui.session.errors import TROUBLE, guard, refuse
from olmoe_viz.ui.widgets import origin, panel
from olmoe_viz.ui.widgets.wording import WEIGHTING_NAMES, billions, plain

NAME = "What changes with more experts"
_KEPT = "tradeoff"
_WISH = "wish_for_tradeoff"


def ks_of(geometry: Geometry) -> list[int]:
    """What is measured: 1, half, once, twice and four times the trained k, and all experts."""
    trained, experts = geometry.trained_k, geometry.experts
    wanted = {1, max(trained // 2, 1), trained, 2 * trained, 4 * trained, experts}
    return sorted(k for k in wanted if k <= experts)


def draw(story: Story) -> None:
    """The button, the table and figures of what has been measured, and the claims beside it."""
    ks = ks_of(story.geometry)
    with st.container(key="step_10"):
        # No origin here: every table and every claim below has its own.
        with st.container(key="head_more_experts"):
            st.subheader(NAME, anchor=False)
        st.markdown(
            "The same prompt under several values of k: what is kept, what it costs, and whether "
            "the prediction stays."
        )
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button("Measure", key="measure", type="primary", on_click=_wish)
            stop, line, wait = st.empty(), st.empty(), st.empty()
        # Before the measuring: what stands there stays until there is something new.
        found, said = st.container(key="more_measured"), st.container(key="more_claims")
        if st.session_state.pop(_WISH, False):
            stop.button("Stop", key="stop_measuring")
            with found:  # for a refusal
                _measure(story, ks, line, answers.asking(wait, words=None))
            stop.empty()
            line.empty()
        rows = _kept(story)
        with found:
            _results(rows, story)
        with said, guard():
            claims.draw(story, rows)


def _results(rows: list[TradeOff], story: Story) -> None:
    if rows:
        _tables(rows, story)
        _figures(rows, story)
    else:
        st.caption("Here will be a table of what was measured, one of the costs, and four figures.")


def _wish() -> None:
    """Callback: measure when the page is drawn next, even if that takes a second run."""
    st.session_state[_WISH] = True


def _place(story: Story) -> tuple[str, ...]:
    chosen, provenance = story.chosen, story.trace.provenance
    return (chosen.prompt, chosen.weighting, provenance.model, provenance.digest)


def _kept(story: Story) -> list[TradeOff]:
    """What was measured for this prompt; after a stop, the first rows of it."""
    place, rows = st.session_state.get(_KEPT, ((), []))
    return list(rows) if place == _place(story) else []


def _measure(story: Story, ks: list[int], line: DeltaGenerator, ask: Ask) -> None:
    """One row at a time, kept at once; a stop ends it while the next one is computed."""
    rows: list[TradeOff] = []
    st.session_state[_KEPT] = (_place(story), rows)
    try:
        line.progress(0.0, text=f"k = {ks[0]}")
        chosen = story.chosen
        for row in tradeoff(ask, chosen.model, chosen.prompt, ks, weighting=chosen.weighting):
            rows.append(row)
            done = len(rows)
            words = f"k = {ks[done]}" if done < len(ks) else "done"
            line.progress(done / len(ks), text=words)
    except TROUBLE as error:
        refuse(error)


def _tables(rows: list[TradeOff], story: Story) -> None:
    """What was measured and what is derived, apart: each narrow enough for a phone."""
    left, right = st.columns([1.6, 1], gap="large")
    with left:
        _table(
            [
                {
                    "k": str(row.k),
                    "retained mass": f"{row.retained_mass:.3f}",
                    "gain": f"{row.gain:.3f}",
                    "KL to the trained k, nats": digits(row.kl),
                    "next token": plain(shorten(visible(row.top_token), 10)),
                    "same top token": "yes" if row.same_top else "no",
                    "time, ms": _time(row),
                }
                for row in rows
            ],
            f"Measured on this prompt under {WEIGHTING_NAMES[story.chosen.weighting]} weights; "
            "gain is their sum. KL and top token are compared with the trained k, "
            f"{story.geometry.trained_k}, under native weights. Time is the median of "
            f"{rows[0].runs} passes, in brackets the fastest and the slowest: other work on the "
            "server makes them spread.",
            "live",
        )
    with right:
        _table(
            [
                {
                    "k": str(row.k),
                    "active parameters": f"{billions(row.active_parameters)} "
                    f"({row.active_share:.0%})",
                    "MB read per token": f"{row.bytes_per_token / 1e6:,.1f}",
                    "MFLOPs per token": f"{row.flops_per_token / 1e6:,.1f}",
                }
                for row in rows
            ],
            "From the model's shape.",
            "derived",
        )


def _time(row: TradeOff) -> str:
    middle, *ends = (f"{1000 * s:,.0f}" for s in (row.seconds, row.fastest, row.slowest))
    # Word joiners: on a phone it may break before the bracket, not inside.
    return f"{middle} ({ends[0]}\u2060–\u2060{ends[1]})"


def _table(records: list[dict[str, str]], words: str, source: origin.Origin) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        origin.badge(source)
        st.caption(words, width="content")
    st.table(
        records, border="horizontal", hide_index=True, alt=f"The trade-off for each k. {words}"
    )


def _figures(rows: list[TradeOff], story: Story) -> None:
    ks = [row.k for row in rows]
    trained = story.geometry.trained_k
    quantities = {
        "retained mass, of 1": [row.retained_mass for row in rows],
        "active parameters": [row.active_parameters for row in rows],
        "time, ms": [1000 * row.seconds for row in rows],
        "KL to the trained k, nats": [row.kl for row in rows],
    }
    ends = [[1000 * row.fastest for row in rows], [1000 * row.slowest for row in rows]]
    fastest, slowest = np.array(ends, dtype=np.float64)
    places = st.columns(4, gap="medium")
    for place, (quantity, values) in zip(places, quantities.items(), strict=True):
        array = np.array(values, dtype=np.float64)
        with place:
            panel.chart(
                chart.figure(
                    ks,
                    array,
                    quantity=quantity,
                    trained_k=trained,
                    spread=(fastest, slowest) if quantity == "time, ms" else None,
                    theme=story.theme,
                ),
                alt=chart.describe(ks, array, quantity=quantity),
                key=f"tradeoff_{quantity}",
            )
    st.caption(
        f"The filled dot is the trained k, {trained}. The axis of k doubles. A bar through a time "
        f"is from the fastest to the slowest of {rows[0].runs} passes."
    )
