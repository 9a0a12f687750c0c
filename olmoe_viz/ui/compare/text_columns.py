"""The columns of a comparison on the page: plain text while it is written, marked when it is done.

The slots are made once, before the first token, so that nothing moves when text arrives.
"""

from collections.abc import Sequence
from typing import NamedTuple

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from olmoe_viz.ui.compare import marked_text
from olmoe_viz.ui.compare.comparison import Column, Comparison, distinct_names
from olmoe_viz.ui.session import answers
from olmoe_viz.ui.widgets import origin
from olmoe_viz.ui.widgets.passage import passage
from olmoe_viz.ui.widgets.wording import WEIGHTING_NAMES, billions, count


class Slot(NamedTuple):
    """Where one column's text and its facts go."""

    text: DeltaGenerator
    facts: DeltaGenerator


def reserve(columns: Sequence[Column]) -> list[Slot]:
    """Draw the heads of the columns and make room for what follows."""
    slots = []
    for at, (place, column) in enumerate(zip(st.columns(len(columns)), columns, strict=True)):
        with place:
            with st.container(key=f"numeral_{at}", horizontal=True, vertical_alignment="bottom"):
                st.text(str(column.k))
                weighting = WEIGHTING_NAMES[column.policy.weighting]
                st.caption(f"experts per token, {weighting} weights", width="content")
            text = st.container(key=f"column_text_{at}").empty()
            slots.append(Slot(text, st.container(key=f"facts_{at}").empty()))
    return slots


def where(columns: Sequence[Column]) -> tuple[origin.Origin, str]:
    """For a badge: the model, the policies, where and when; nothing before they have written."""
    records = [column.generation for column in columns if column.generation]
    if not records:
        return "live", ""
    details = origin.details(records[0].provenance, "; ".join(str(one.policy) for one in records))
    earlier = any(column.cached for column in columns)
    return answers.source(records[0]), details + (" Kept from an earlier run." if earlier else "")


def grow(slots: list[Slot], comparison: Comparison) -> None:
    """Show the text so far; each call lets a waiting stop through."""
    for slot, column in zip(slots, comparison.columns, strict=True):
        slot.text.text(marked_text.unfinished(column.pieces))


def settle(slots: list[Slot], comparison: Comparison, reference: int) -> None:
    """Show the finished texts, marked against column `reference`, and the facts of each.

    A second call in one run shows what has become known of the tokens since.
    """
    names = distinct_names(comparison.columns)
    known = "whole" if comparison.read_again else "early"
    for at, (slot, row) in enumerate(zip(slots, comparison.rows(), strict=True)):
        with slot.text.container():
            passage(
                marked_text.tokens(comparison, at, reference),
                label=f"Text of {names[at]}",
                key=f"passage_{at}_{known}",
            )
        with slot.facts.container():
            _facts(row)


def _facts(row: dict[str, object]) -> None:
    tokens, speed, mass = row["tokens"], row["tokens_per_second"], row["mean_retained_mass"]
    ended = {"end": ", ended by itself", "stopped": ", stopped", "error": ", broken off"}
    lines = [
        count(int(str(tokens)), "token") + ended.get(str(row["finish"]), ""),
        f"{row['seconds']:.2f} s" + (f", {speed:.1f} tokens/s" if speed else ""),
        "mean retained mass " + ("none yet" if mass is None else f"{mass:.3f}"),
    ]
    st.text("\n".join(lines))
    share = float(str(row["share_of_parameters"]))
    active = billions(int(str(row["active_parameters"])))
    st.progress(min(share, 1.0), text=f"{active} parameters active, {share:.1%} of all (derived)")
