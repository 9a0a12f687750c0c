"""The routing of one column while it is written: a map with a column for each token."""

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from olmoe_viz.numerics.geometry import Geometry
from olmoe_viz.records.expert_uses import recorded_uses
from olmoe_viz.ui import glossary
from olmoe_viz.ui.compare.comparison import Column, Comparison
from olmoe_viz.ui.compare.text_columns import where
from olmoe_viz.ui.session import state
from olmoe_viz.ui.texts import compare as texts
from olmoe_viz.ui.widgets import origin, panel
from olmoe_viz.ui.widgets.routing_map import Columns, GrowingMap, MapEvent, routing_map

_KEY = "live_map"
_CELL = "live_map_token"
_EVERY = 2  # drawings of the texts for one of the map, which is sent whole each time
_GROWN = 1.3  # times the tokens that it shows: so in all it sends a few times what it shows last


def _head(column: Column) -> DeltaGenerator:
    """Heading and words; returns the place of the badge."""
    badge = panel.head(texts.MAP_TITLE, None)
    st.caption(texts.map_words(column.name, glossary.link("expert")))
    return badge


class LiveMap:
    """The map while its column is being written; it stands where it is constructed."""

    def __init__(self, comparison: Comparison, at: int) -> None:
        self._column = comparison.columns[at]
        self._geometry = comparison.geometry
        self._uses = recorded_uses(comparison.digest)
        self._calls = self._tokens = 0
        self._badge = _head(self._column)
        self._map = GrowingMap(
            layer_ids=self._geometry.layer_ids, key=_KEY, on_change=_take, ranges=False
        )

    def show(self) -> None:
        """Draw the tokens so far, at every second call if there are enough new ones."""
        tokens = len(self._column.steps)
        if self._calls % _EVERY == 0 and tokens > self._tokens * _GROWN:
            self._tokens = tokens
            self._map.show(
                _so_far(self._column, self._geometry),
                policy=self._column.policy,
                uses=self._uses,
                theme=state.theme(),
            )
        self._calls += 1

    def settle(self) -> None:
        """After the writing: draw all tokens, let cells be picked, add the origin badge."""
        record = self._column.generation
        if record is not None and record.tokens:
            self._map.show(
                record, policy=record.policy, uses=self._uses, theme=state.theme(), ended=True
            )
            with self._badge:
                origin.badge(*where([self._column]))


def _so_far(column: Column, geometry: Geometry) -> Columns:
    """The tokens of a column so far, in the form that the map takes."""
    steps = column.steps
    return Columns(
        column.pieces,
        np.stack([step.router_logits for step in steps], axis=1),
        np.stack([step.expert_ids for step in steps], axis=1),
        np.stack([step.weights for step in steps], axis=1),
        geometry,
    )


def draw(comparison: Comparison, at: int) -> None:
    """The map of a complete column; its cells choose the layer."""
    column = comparison.columns[at]
    record = column.generation
    if record is None or not record.tokens:
        return
    with _head(column):
        origin.badge(*where([column]))
    routing_map(
        record,
        policy=column.policy,
        uses=recorded_uses(comparison.digest),
        selected_token=min(st.session_state.get(_CELL, 0), len(record.tokens) - 1),
        selected_layer=state.selection().within(record.geometry, len(record.tokens)).layer,
        theme=state.theme(),
        key=_KEY,
        on_change=_take,
        ranges=False,
        grown=True,
    )


def _take(event: MapEvent) -> None:
    """Select the layer; the token, one of this text and not of the prompt, is kept by this page."""
    st.session_state[_CELL] = event.token
    state.change(layer=event.layer)
