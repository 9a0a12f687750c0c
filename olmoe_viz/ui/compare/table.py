"""Tables of a comparison: a line for each quantity, a column for each text, as the texts stand."""

from collections.abc import Mapping, Sequence

import streamlit as st

from olmoe_viz.ui.compare.comparison import Column, distinct_names
from olmoe_viz.ui.texts import compare as texts

Table = dict[str, list[str]]


def draw(rows: Mapping[str, Sequence[str]], columns: Sequence[Column], *, alt: str) -> None:
    """Place the table; `rows` are the cells by the quantity's name, in our own words."""
    st.table(by_column(rows, columns), border="horizontal", alt=alt)


def by_column(rows: Mapping[str, Sequence[str]], columns: Sequence[Column]) -> Table:
    """The cells by the names of the texts, numbered where two have the same."""
    return {texts.QUANTITY: list(rows)} | {
        name: [cells[at] for cells in rows.values()]
        for at, name in enumerate(distinct_names(columns))
    }
