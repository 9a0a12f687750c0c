"""The whole model in one drawing, in which a token moves with its numbers; each part opens a step.

Text reaches the page only through `textContent`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from olmoe_viz.figures.markup import WORDS_SCRIPT, worded
from olmoe_viz.ui.texts import overview as texts
from olmoe_viz.ui.widgets.component import code, sharing_component

STEPS = 9
_HERE = Path(__file__).parent
CODE = code(
    "overview",
    _HERE,
    WORDS_SCRIPT,
    "../steps.js",
    "stages.js",
    "drawing.js",
    "overview.js",
    html=worded(_HERE / "overview.html", texts.HTML),
    css="overview.css",
    constants={"WORDS": texts.SCRIPT},
)
_component = sharing_component(CODE)


def overview(
    data: dict[str, Any],
    *,
    here: bool,
    plays: bool,
    opens: int | None = None,
    on_open: Callable[[int, int], None],
    key: str,
) -> None:
    """Place the drawing.

    Args:
        data: what `payload.build` makes.
        here: whether the steps are on this page, so that a part scrolls to its own.
        plays: whether it begins by itself, at the beginning; else it stands where `opens` is.
        opens: the step that the page scrolls to once it is there, as another page has asked;
            without one, the first.
        on_open: takes the step from 1 and the layer, before the script runs again.
        key: unique on the page.
    """

    def opened() -> None:
        value = st.session_state[key].get("open")
        step, layer = (
            (value.get("step"), value.get("layer")) if isinstance(value, dict) else (None, None)
        )
        if type(step) is not int or type(layer) is not int:
            return
        if 1 <= step <= STEPS and layer in data["layerIds"]:
            on_open(step, layer)

    _component(
        key=key, data={**data, "here": here, "plays": plays, "opens": opens}, on_open_change=opened
    )
