"""Above the steps: the sticky line with its four buttons, the offer to run, the row of layers."""

from collections.abc import Callable, Sequence

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from olmoe_viz.figures.expert_colors import expert_color
from olmoe_viz.figures.labels import expert_name, visible
from olmoe_viz.figures.palette import text_on
from olmoe_viz.ui.follow.place import Place
from olmoe_viz.ui.texts import follow as texts
from olmoe_viz.ui.widgets.color_key import color_key
from olmoe_viz.ui.widgets.picker import Cell, picker

Change = Callable[..., None]  # takes fields of the selection


def draw(place: Place, tokens: Sequence[str], change: Change) -> None:
    """Place the line and its four buttons."""
    layers = place.geometry.layer_ids
    with st.container(key="follow_bar", horizontal=True, vertical_alignment="center", gap="small"):
        st.text(
            texts.chosen(visible(tokens[place.token]), place.token, place.layer, layers, place.ks)
        )
        with st.container(key="follow_moves", horizontal=True, gap="xsmall", width="content"):
            for label, step in zip(texts.TO_TOKEN, (-1, 1), strict=True):
                _move(label, "token", place.token + step, range(len(tokens)), change)
            for label, step in zip(texts.TO_LAYER, (-1, 1), strict=True):
                _move(label, "layer", place.row + step, layers, change)


def offer(on_run: Callable[[], None] | None) -> None:
    """Offer the run that the stored example stands in for; None where no model runs."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if on_run is None:
            st.caption(f"{texts.STORED} {texts.NO_MODEL}", width="content")
        else:
            st.button(texts.RUN, key="run_follow", on_click=on_run)
            st.caption(texts.STORED, width="content")


def journey(
    place: Place,
    strongest: NDArray[np.int16],
    probabilities: NDArray[np.float64],
    change: Change,
) -> None:
    """The chosen token through all layers: the strongest expert of each, and its probability.

    Args:
        place: the chosen layer.
        strongest: an expert for each layer of experts, [layers].
        probabilities: of the router, [layers, experts].
        change: takes another layer.
    """
    layers = place.geometry.layer_ids
    cells = []
    for layer, expert, shares in zip(layers, strongest.tolist(), probabilities, strict=True):
        fill = expert_color(expert, layer, place.theme, place.uses)
        cells.append(
            Cell(
                name=expert_name(expert, layer),
                note=f"{shares[expert]:.2f}".lstrip("0"),
                words=texts.strongest(layer, expert, float(shares[expert]))
                + ("" if place.uses is None else f", {place.uses.words(expert, layer)}"),
                fill=fill,
                ink=text_on(fill),
            )
        )
    with st.container(key="journey_strip", gap=None):
        st.caption(texts.journey(len(cells)))
        picker(
            cells,
            label=texts.LAYERS,
            chosen=place.row,
            shape="layers",
            on_pick=lambda row: change(layer=layers[row]),
            key="journey_picker",
        )
        # Here and in the steps below: all experts of the chosen layer, and the strongest of others.
        strong = list(zip(layers, map(int, strongest), strict=True))
        below = [(place.layer, expert) for expert in range(probabilities.shape[1])]
        color_key([*strong, *below], place.uses, place.theme)


def _move(label: str, field: str, place: int, values: Sequence[int], change: Change) -> None:
    """A button that selects the value at a place; disabled where there is no such place."""
    exists = 0 <= place < len(values)
    st.button(
        label,
        key=f"move_{label}",
        disabled=not exists,
        on_click=change,
        kwargs={field: values[place]} if exists else None,
    )
