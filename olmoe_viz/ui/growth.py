"""The routing of one column as it writes: a map that grows by a column for each token."""

import time

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from olmoe_viz.ui import glossary, origin, panel, state
from olmoe_viz.ui.columns import details
from olmoe_viz.ui.comparison import Column, Comparison
from olmoe_viz.ui.routing_map import Columns, GrowingMap, MapEvent, routing_map

_KEY = "growth"
_CELL = "growth_cell"
_PAUSE = 0.15  # seconds between two drawings: each sends the whole map


def _head(column: Column) -> DeltaGenerator:
    """Heading and words; returns the place of the badge."""
    badge = panel.head("Which experts are used as it writes?", None)
    st.caption(
        f"For each token that {column.name} writes, the strongest {glossary.link('expert')} of "
        "every layer. This is the column that the others are compared with."
    )
    return badge


class Growth:
    """The map while its column is being written; construct it where it shall stand."""

    def __init__(self, comparison: Comparison, at: int) -> None:
        self._column = comparison.columns[at]
        self._geometry = comparison.geometry
        self._drawn = 0
        self._next = 0.0
        self._badge = _head(self._column)
        self._map = GrowingMap(
            layers=self._geometry.layers, key=_KEY, on_change=_take, ranges=False
        )

    def show(self) -> None:
        """Draw the tokens so far, not more often than an eye needs."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _PAUSE
            if len(self._column.routed) > self._drawn:
                self._draw()

    def settle(self) -> None:
        """Once the writing has ended: draw all, let cells be picked, say where it is from."""
        if self._column.routed:
            self._draw(ended=True)
            with self._badge:
                origin.badge("live", details([self._column]))

    def _draw(self, *, ended: bool = False) -> None:
        column, self._drawn = self._column, len(self._column.routed)
        written = Columns(column.pieces, np.stack(column.routed, axis=1), self._geometry)
        self._map.show(written, policy=column.policy, theme=state.theme(), ended=ended)


def draw(comparison: Comparison, at: int) -> None:
    """The map of a column that has been written; its cells choose the layer."""
    column = comparison.columns[at]
    record = column.generation
    if record is None or not record.tokens:
        return
    with _head(column):
        origin.badge("live", details([column]))
    routing_map(
        Columns(record.tokens, record.router_logits, record.geometry),
        policy=column.policy,
        selected_token=min(st.session_state.get(_CELL, 0), len(record.tokens) - 1),
        selected_layer=min(state.selection().layer, record.geometry.layers - 1),
        theme=state.theme(),
        key=_KEY,
        on_change=_take,
        ranges=False,
        grown=True,
    )


def _take(event: MapEvent) -> None:
    """The layer is the application's; the token is one of this text and stays here."""
    st.session_state[_CELL] = event.token
    state.change(layer=event.layer)
