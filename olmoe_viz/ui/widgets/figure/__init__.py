"""A `Figure` on the page, as SVG, dense cells on a canvas; and its menu: files and numbers.

Streamlit takes a plotly figure down and builds it up anew whenever its data change, about 50 ms
each. This component stays in the page, and drawing takes it a few. Text reaches the page only
through `textContent`.
"""

import re
from dataclasses import asdict
from pathlib import Path

from olmoe_viz.figures.figure import Figure
from olmoe_viz.figures.look import LOOK
from olmoe_viz.figures.markup import WORDS_SCRIPT, worded
from olmoe_viz.ui.texts import figure as texts
from olmoe_viz.ui.widgets.component import code, sharing_component

_HERE = Path(__file__).parent
HTML = _HERE / "plot.html"
STYLES = (_HERE / "plot.css",)
SCRIPTS = tuple(_HERE / f"{name}.js" for name in ("geometry", "marks", "table", "menu", "plot"))
CODE = code(
    "plot",
    _HERE,
    WORDS_SCRIPT,
    *SCRIPTS,
    "mount.js",
    html=worded(HTML, texts.HTML),
    css=STYLES,
    constants={"LOOK": asdict(LOOK), "WORDS": texts.SCRIPT},
)
_component = sharing_component(CODE)


def plot(figure: Figure, *, key: str) -> None:
    """Place a figure.

    Args:
        figure: what is drawn.
        key: unique on the page; what is drawn under it changes in place, and files are named by it.
    """
    name = re.sub(r"\W+", "_", key)
    _component(key=key, data={"figure": figure.data(), "alt": figure.alt, "name": name})
