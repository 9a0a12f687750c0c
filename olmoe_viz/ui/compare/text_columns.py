"""The columns of a comparison: plain text while it is written, marked when it is complete.

The slots are made before the first token, so that nothing moves when text arrives.
"""

from collections.abc import Sequence
from math import ceil
from typing import Any, NamedTuple

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from olmoe_viz.ui.compare import marked_text
from olmoe_viz.ui.compare.comparison import Column, Comparison, distinct_names
from olmoe_viz.ui.session import answers
from olmoe_viz.ui.texts import compare as texts
from olmoe_viz.ui.widgets import origin
from olmoe_viz.ui.widgets.passage import passage
from olmoe_viz.ui.widgets.wording import WEIGHTING_NAMES, billions


class Slot(NamedTuple):
    """Where one column's text and its facts go."""

    text: DeltaGenerator
    facts: DeltaGenerator


def reserve(columns: Sequence[Column], tokens: int, *, writing: bool) -> list[Slot]:
    """Draw the heads of the columns, and keep room for so many tokens of each (compare.css)."""
    st.html(f"<style>:root {{ --text-room: {room(len(columns), tokens):.1f}rem }}</style>")
    slots, text_key = [], "column_text_growing" if writing else "column_text"
    for at, (place, column) in enumerate(zip(st.columns(len(columns)), columns, strict=True)):
        with place:
            with st.container(key=f"numeral_{at}", horizontal=True, vertical_alignment="bottom"):
                st.text(str(column.k))
                weighting = WEIGHTING_NAMES[column.policy.weighting]
                st.caption(texts.experts_per_token(weighting), width="content")
            text = st.container(key=f"{text_key}_{at}").empty()
            slots.append(Slot(text, st.container(key=f"facts_{at}").empty()))
    return slots


def room(columns: int, tokens: int) -> float:
    """The height of a text in rem, on a screen where 32 tokens fill a line across all columns."""
    return min(1.55 * (ceil(tokens * columns / 32) + 1), 15.0)


def where(columns: Sequence[Column]) -> tuple[origin.Origin, str]:
    """For a badge: the model, the policies, where and when; nothing before they have written."""
    records = [column.generation for column in columns if column.generation]
    if not records:
        return "live", ""
    details = origin.details(records[0].provenance, "; ".join(str(one.policy) for one in records))
    earlier = any(column.cached for column in columns)
    return answers.source(records[0]), details + (texts.KEPT if earlier else "")


def grow(slots: list[Slot], comparison: Comparison) -> None:
    """Show the text so far; a stop raises its exception here."""
    for slot, column in zip(slots, comparison.columns, strict=True):
        slot.text.text(marked_text.unfinished(column.pieces))


def settle(slots: list[Slot], comparison: Comparison, reference: int) -> None:
    """Show the complete texts, marked against column `reference`, and the facts of each.

    A second call in one run adds what has been measured of the tokens since.
    """
    names = distinct_names(comparison.columns)
    known = "whole" if comparison.read_again else "early"
    for at, (slot, row) in enumerate(zip(slots, comparison.rows(), strict=True)):
        with slot.text.container():
            passage(
                marked_text.tokens(comparison, at, reference),
                label=texts.text_of(names[at]),
                key=f"passage_{at}_{known}",
            )
        with slot.facts.container():
            _facts(row)


def _facts(row: dict[str, Any]) -> None:
    st.text(texts.column_facts(row["tokens"], row["finish"], row["mean_retained_mass"]))
    share = row["share_of_parameters"]
    st.progress(min(share, 1.0), text=texts.active(billions(row["active_parameters"]), share))
