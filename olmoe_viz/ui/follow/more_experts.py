"""What changes with more experts: the tables and figures of what was measured."""

import numpy as np
import streamlit as st

from olmoe_viz.analysis.tradeoff import TradeOff
from olmoe_viz.figures import tradeoff as chart
from olmoe_viz.figures.labels import digits, shorten, visible
from olmoe_viz.ui.follow.place import Place
from olmoe_viz.ui.texts import more_experts as texts
from olmoe_viz.ui.widgets import origin
from olmoe_viz.ui.widgets.figure import plot
from olmoe_viz.ui.widgets.wording import billions, plain


def draw(place: Place, rows: list[TradeOff]) -> None:
    """Both tables and the figures, or what will stand here."""
    if rows:
        _tables(place, rows)
        _figures(place, rows)
    else:
        st.caption(texts.NOTHING_YET)


def _tables(place: Place, rows: list[TradeOff]) -> None:
    """What was measured and what is derived, apart: each narrow enough for a phone."""
    left, right = st.columns([1.6, 1], gap="large")
    with left:
        _table(
            [
                {
                    texts.K: str(row.k),
                    texts.MASS: f"{row.retained_mass:.3f}",
                    texts.GAIN: f"{row.gain:.3f}",
                    texts.KL: digits(row.kl),
                    texts.NEXT_TOKEN: plain(shorten(visible(row.top_token), 10)),
                    texts.SAME_TOP: texts.YES if row.same_top else texts.NO,
                    texts.TIME: _time(row),
                }
                for row in rows
            ],
            texts.measured(place.weighting, place.geometry.trained_k, rows[0].runs),
            "live",
        )
    with right:
        _table(
            [
                {
                    texts.K: str(row.k),
                    texts.ACTIVE: f"{billions(row.active_parameters)} ({row.active_share:.0%})",
                    texts.READ: f"{row.bytes_per_token / 1e6:,.1f}",
                    texts.FLOPS: f"{row.flops_per_token / 1e6:,.1f}",
                }
                for row in rows
            ],
            texts.DERIVED,
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
    st.table(records, border="horizontal", hide_index=True, alt=texts.table(words))


def _figures(place: Place, rows: list[TradeOff]) -> None:
    ks = [row.k for row in rows]
    quantities = {
        texts.MASS_OF_1: [row.retained_mass for row in rows],
        texts.ACTIVE: [row.active_parameters for row in rows],
        texts.TIME: [1000 * row.seconds for row in rows],
        texts.KL: [row.kl for row in rows],
    }
    ends = [[1000 * row.fastest for row in rows], [1000 * row.slowest for row in rows]]
    fastest, slowest = np.array(ends, dtype=np.float64)
    columns = st.columns(4, gap="medium")
    for column, (quantity, values) in zip(columns, quantities.items(), strict=True):
        array = np.array(values, dtype=np.float64)
        with column:
            plot(
                chart.figure(
                    ks,
                    array,
                    quantity=quantity,
                    trained_k=place.geometry.trained_k,
                    spread=(fastest, slowest) if quantity == texts.TIME else None,
                    theme=place.theme,
                ),
                key=f"tradeoff_{quantity}",
            )
    st.caption(texts.figures(place.geometry.trained_k, rows[0].runs))
