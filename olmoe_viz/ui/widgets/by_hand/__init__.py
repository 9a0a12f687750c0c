"""A figure of a router with a slider of the temperature, and one of k where experts are cut off.

While one drags, bars, cutoff, mass and the dot on the curve of the entropy follow in the browser,
from the recorded logits.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.figures.figure import Figure
from olmoe_viz.figures.look import LOOK
from olmoe_viz.figures.markup import WORDS_SCRIPT, worded
from olmoe_viz.ui.texts import by_hand as texts
from olmoe_viz.ui.texts import figure as figure_texts
from olmoe_viz.ui.widgets import figure as figures
from olmoe_viz.ui.widgets.component import code, sharing_component

_HERE = Path(__file__).parent
_FIGURE = worded(figures.HTML, figure_texts.HTML)
_FIGURES = "".join(f'<div class="{name}">{_FIGURE}</div>' for name in ("bars", "curve"))
CODE = code(
    "by_hand",
    _HERE,
    WORDS_SCRIPT,
    *figures.SCRIPTS,
    "by_hand.js",
    html=f'{worded(_HERE / "by_hand.html", texts.HTML)}<div class="pair">{_FIGURES}</div>',
    css=(*figures.STYLES, "by_hand.css"),
    constants={"LOOK": asdict(LOOK), "WORDS": {**figure_texts.SCRIPT, **texts.SCRIPT}},
)
_component = sharing_component(CODE)


def by_hand(
    figure: Figure,
    *,
    logits: NDArray[np.float64],
    k: int | None = None,
    marks: Sequence[int] = (),
    curve: Figure | None = None,
    key: str,
) -> None:
    """Place a figure of router probabilities with its sliders.

    Args:
        figure: the probabilities as the model had them: `router_bars` by rank where experts are cut
            off, else `expert_bars` by id.
        logits: of the router, [experts] in the order of the bars.
        k: how many experts ran, where they are cut off: then k has a slider.
        marks: further ks whose cutoffs are drawn.
        curve: of the entropy over the temperature, as `temperature` makes it, to stand beside.
        key: unique on the page.
    """
    columns = {"mass": "mass up to this rank", "selected": "selected"}
    _component(
        key=key,
        data={
            "figure": figure.data(),
            "alt": figure.alt,
            "name": key,
            "logits": logits.round(6).tolist(),
            "k": k,
            "marks": list(marks),
            "curve": curve and {"figure": curve.data(), "alt": curve.alt, "name": "temperature"},
            "columns": {**columns, "probability": "router probability"},
        },
    )
