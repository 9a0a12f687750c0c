"""A row of cells of which one is chosen: the tokens of a prompt, or the layers of a model.

Tab reaches the chosen cell; the arrow keys move to others, Enter or the space bar chooses. All
text reaches the page through `textContent`.
"""

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import streamlit as st

from olmoe_viz.ui.widgets.component import code, sharing_component

CODE = code(
    "picker",
    Path(__file__).parent,
    "picker.js",
    html='<div role="radiogroup"></div>',
    css="picker.css",
)
_component = sharing_component(CODE)


@dataclass(frozen=True)
class Cell:
    """What one cell shows: a name, a smaller note, words for hover, and perhaps a color.

    A `quiet` one is drawn as not the visitor's own.
    """

    name: str
    note: str
    words: str
    fill: str = ""
    ink: str = ""
    quiet: bool = False


def picker(
    cells: Sequence[Cell],
    *,
    label: str,
    chosen: int,
    shape: Literal["tokens", "layers"],
    on_pick: Callable[[int], None],
    key: str,
    right_to_left: bool = False,
) -> None:
    """Place the cells; `on_pick` is called with the index before the script runs again.

    Args:
        cells: one a token or a layer, in order.
        label: what is chosen here, for a screen reader.
        chosen: index of the chosen cell.
        shape: tokens flow like text, layers are a row of equal cells.
        on_pick: takes an index within the cells.
        key: unique on the page.
        right_to_left: whether the first cell stands at the right.
    """

    def picked() -> None:
        value = st.session_state[key].get("pick")
        if type(value) is int and 0 <= value < len(cells):
            on_pick(value)

    _component(
        key=key,
        data={
            "cells": [asdict(cell) for cell in cells],
            "label": label,
            "chosen": chosen,
            "shape": shape,
            "dir": "rtl" if right_to_left else "ltr",
        },
        on_pick_change=picked,
    )


def right_to_left(text: str) -> bool:
    """Whether the first letter with a direction is written from right to left."""
    kinds = (unicodedata.bidirectional(character) for character in text)
    return next((kind != "L" for kind in kinds if kind in ("L", "R", "AL")), False)
