"""Links to the steps of a page, at its left; the step on the screen is marked."""

from collections.abc import Sequence
from pathlib import Path

from olmoe_viz.ui.widgets.component import component

_component = component(
    "rail",
    Path(__file__).parent,
    "../steps.js",
    "rail.js",
    html="<nav><ol></ol></nav>",
    css="rail.css",
)


def rail(names: Sequence[str], *, label: str, key: str) -> None:
    """Place the links; the n-th leads to the container with the key `step_n`, n from 1.

    `label` is what they are called together, for a screen reader.
    """
    _component(key=key, data={"names": list(names), "label": label})
