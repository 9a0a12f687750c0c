"""All experts of a model, a row a layer: a press on one is told, and what is done to it is shown.

Tab reaches the expert in focus; the arrow keys move to others, Enter or the space bar presses. On
a narrow screen the grid scrolls inside itself.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from olmoe_viz.figures.interactive_map.effects import LEAST
from olmoe_viz.figures.palette import SEQUENTIAL, Theme, shade
from olmoe_viz.ui.texts import lab as texts
from olmoe_viz.ui.widgets.component import component

_component = component(
    "expert_grid",
    Path(__file__).parent,
    "grid.js",
    html='<div class="scroll"><div class="ids" aria-hidden="true"></div>'
    '<div role="grid"></div></div>'
    '<div class="key"><p class="scale"><span class="low"></span><i class="ramp"></i>'
    '<span class="high"></span></p><p><i class="ran"></i><span class="outlined"></span></p></div>',
    css="grid.css",
)


def expert_grid(
    probabilities: NDArray[np.float64],
    expert_ids: NDArray[np.int16],
    *,
    effects: Mapping[tuple[int, int], float] | None = None,
    done: Mapping[tuple[int, int], str],
    layer_ids: Sequence[int],
    layer: int,
    theme: Theme,
    on_pick: Callable[[int, int], None],
    key: str,
) -> None:
    """Place the grid.

    Args:
        probabilities: of the router for the token, [layers, experts]; they color the cells.
        effects: (layer, expert) -> measured effect in nats; where they are given they color the
            cells instead, and what has none is empty.
        expert_ids: which ran, [layers, k], -1 for none; they have an outline.
        done: (layer, expert) -> the sign of what is done to it; the layer counts all blocks.
        layer_ids: the layers, counted over all blocks, [layers].
        layer: the selected one; its row is marked.
        theme: the theme on the screen.
        on_pick: takes layer and expert, before the script runs again.
        key: unique on the page.
    """
    experts = probabilities.shape[1]

    def picked() -> None:
        value = st.session_state[key].get("pick")
        place = value if isinstance(value, list) and len(value) == 2 else [None, None]
        at, expert = place
        if type(at) is int and type(expert) is int and at in layer_ids and 0 <= expert < experts:
            on_pick(at, expert)

    _component(
        key=key,
        data={
            "label": texts.GRID,
            "layer": layer,
            "key": _key(probabilities, effects, layer_ids, theme),
            "rows": [
                _row(row, set(ran.tolist()), at, effects, done, theme)
                for row, ran, at in zip(probabilities, expert_ids, layer_ids, strict=True)
            ],
        },
        on_pick_change=picked,
    )


def _key(
    probabilities: NDArray[np.float64],
    effects: Mapping[tuple[int, int], float] | None,
    layer_ids: Sequence[int],
    theme: Theme,
) -> dict[str, Any]:
    """The scale of the colors with words at its ends, and what an outline means."""
    ends = ("", "")
    if effects is None:
        highest = probabilities.max(axis=1).tolist()
        ends = texts.scale_of_probabilities(dict(zip(layer_ids, highest, strict=True)))
    elif effects:
        ends = texts.scale_of_effects(list(effects.values()))
    return {"low": ends[0], "high": ends[1], "colors": SEQUENTIAL[theme], "ran": texts.RAN}


def _row(
    probabilities: NDArray[np.float64],
    ran: set[int],
    layer: int,
    effects: Mapping[tuple[int, int], float] | None,
    done: Mapping[tuple[int, int], str],
    theme: Theme,
) -> dict[str, Any]:
    most = float(probabilities.max())
    known = [(effects or {}).get((layer, expert)) for expert in range(len(probabilities))]
    return {
        "layer": layer,
        "name": texts.row(layer),
        "fills": [shade(value / most, (0, 1), SEQUENTIAL[theme]) for value in probabilities]
        if effects is None
        else _of_effects(known, list(effects.values()), theme),
        "ran": [expert in ran for expert in range(len(probabilities))],
        "signs": [done.get((layer, expert), "") for expert in range(len(probabilities))],
        "words": [
            texts.cell(
                layer,
                expert,
                value,
                effect,
                ran=expert in ran,
                sign=done.get((layer, expert), ""),
            )
            for expert, (value, effect) in enumerate(
                zip(probabilities.tolist(), known, strict=True)
            )
        ],
    }


def _of_effects(
    row: Sequence[float | None], everywhere: Sequence[float], theme: Theme
) -> list[str]:
    """Colors on a logarithmic scale from the least effect of all layers to the largest."""
    low, high = (math.log(max(end(everywhere, default=0.0), LEAST)) for end in (min, max))
    return [
        "transparent"
        if value is None
        else shade(math.log(max(value, LEAST)), (low, max(high, low + 1e-9)), SEQUENTIAL[theme])
        for value in row
    ]
