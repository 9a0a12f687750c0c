"""The sticky line: which token, which layer, which ks, and the buttons that move them."""

from collections.abc import Sequence

import streamlit as st

from olmoe_viz.figures.labels import visible
from olmoe_viz.figures.palette import expert_color, text_on
from olmoe_viz.ui.follow.story import Story
from olmoe_viz.ui.session import engine, state
from olmoe_viz.ui.widgets.picker import Cell, picker


def draw(story: Story) -> None:
    """Place the line and its four buttons."""
    layers, tokens = story.geometry.layer_ids, range(len(story.trace.tokens))
    with st.container(key="follow_bar", horizontal=True, vertical_alignment="center", gap="small"):
        st.text(words(story))
        with st.container(key="follow_moves", horizontal=True, gap="xsmall", width="content"):
            _move("← token", "token", story.token - 1, tokens)
            _move("token →", "token", story.token + 1, tokens)
            _move("← layer", "layer", story.row - 1, layers)
            _move("layer →", "layer", story.row + 1, layers)


def offer(story: Story) -> None:
    """A button for the run that the stored example stands in for; else its place is kept."""
    place, what = st.empty(), "This is the stored example, which has routers but no vectors."
    if story.full:
        return
    with place.container(horizontal=True, vertical_alignment="center", gap="small"):
        if engine.records_only():
            st.caption(f"{what} No model runs here that could compute them.", width="content")
        else:
            st.button("Run the model", key="run_follow", on_click=state.change)
            st.caption(what, width="content")


def words(story: Story) -> str:
    """The line, as in "token 5 ‘·was’ · layer 7 of 15 · k 8 against 16"."""
    token = visible(story.trace.tokens[story.token])
    return (
        f"token {story.token} ‘{token}’ · layer {story.layer} of {story.geometry.layer_ids[-1]} · "
        f"k {story.chosen.k} against {story.chosen.against}"
    )


def journey(story: Story) -> None:
    """The chosen token through all layers: the strongest expert of each, and its probability."""
    layers = story.geometry.layer_ids
    best = story.trace.expert_ids[:, story.token, 0]  # the strongest stands first
    cells = []
    for layer, expert, shares in zip(layers, best, story.probabilities, strict=True):
        height, fill = shares[expert], expert_color(int(expert), story.theme)
        cells.append(
            Cell(
                name=str(expert),
                note=f"{height:.2f}".lstrip("0"),
                words=f"layer {layer}: expert {expert} leads, probability {height:.3f}",
                fill=fill,
                ink=text_on(fill),
            )
        )
    with st.container(key="journey_strip", gap=None):
        st.caption(
            f"The token's way through the {len(cells)} layers: the strongest expert of each "
            "and its probability. Choose a layer here."
        )
        picker(
            cells,
            label="Layer",
            chosen=story.row,
            shape="layers",
            on_pick=lambda row: state.change(layer=layers[row]),
            key="journey_picker",
        )


def _move(label: str, field: str, place: int, values: Sequence[int]) -> None:
    """A button that selects the value at a place; disabled where there is no such place."""
    exists = 0 <= place < len(values)
    st.button(
        label,
        key=f"move_{label}",
        disabled=not exists,
        on_click=state.change,
        kwargs={field: values[place]} if exists else None,
    )
