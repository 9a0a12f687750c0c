"""Figures that are drawn again at every move: a `Plot` of charts/ as SVG, dense cells on a canvas.

Streamlit takes a plotly figure down and builds it up anew whenever its data change, about 50 ms
each. This component stays in the page, and drawing takes it a few. Text reaches the page only
through `textContent`.
"""

from pathlib import Path

import streamlit as st

from olmoe_viz.charts.plot import Plot

_HERE = Path(__file__).parent


def _source(*names: str) -> str:
    return "\n".join((_HERE / name).read_text("utf-8") for name in names)


_component = st.components.v2.component(
    "olmoe_viz_plot",
    html='<div role="img"><canvas></canvas><svg aria-hidden="true"></svg></div>'
    '<div class="card"></div>',
    css=_source("plot.css"),
    js=_source("geometry.js", "marks.js", "plot.js"),
)


def plot(figure: Plot, *, alt: str, key: str) -> None:
    """Place a figure.

    Args:
        figure: what is drawn.
        alt: the sentence for those who cannot see it.
        key: unique on the page; what is drawn under it changes in place.
    """
    _component(key=key, data={"figure": figure.data(), "alt": alt})
