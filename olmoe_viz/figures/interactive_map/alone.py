"""The map with no page around it: a frame of HTML for a notebook or a report.

It has the same script and the same data as on the page. The frame is closed off from what is
around it (an origin of its own, no network), its policy lets nothing run but this script, and
tokens reach it as data.
"""

import base64
import hashlib
from html import escape
from pathlib import Path
from typing import Any

from olmoe_viz.figures.interactive_map import payload, words
from olmoe_viz.figures.interactive_map.cells import TraceLike
from olmoe_viz.figures.look import LOOK
from olmoe_viz.figures.markup import WORDS_SCRIPT, as_data, constants, worded
from olmoe_viz.figures.palette import INKS, Theme
from olmoe_viz.policy import RoutingPolicy

_HERE = Path(__file__).parent
SCRIPTS = (
    WORDS_SCRIPT,
    *(
        _HERE / f"{name}.js"
        for name in ("inside", "paint", "card", "steps", "picks", "view", "map")
    ),
)
STYLE = _HERE / "map.css"
START = worded(_HERE / "map.html", words.HTML)
_SCRIPT = constants({"WORDS": words.SCRIPT}) + "\n".join(
    path.read_text("utf-8") for path in (*SCRIPTS, _HERE / "alone.js")
)
# What a page that holds frames must allow in its own policy, which they inherit.
ALLOWED = f"sha256-{base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()}"
_AROUND = 250  # pixels above and below the cells


def frame(columns: TraceLike, policy: RoutingPolicy, *, theme: Theme = "light", **more: Any) -> str:
    """Return a frame of HTML with the map of a run in it, whose last token is selected.

    `more` are the uses of the experts, bytes of tokens and message of `payload.build`, whose
    ValueError this raises.
    """
    built = payload.build(columns, policy=policy, **more)
    layers = columns.geometry.layer_ids
    data = {
        "data": payload.painted(built, theme, "alone", more.get("uses")),
        "config": {
            "channel": "alone",
            "layerIds": list(layers),
            "live": None,
            "ranges": False,
            "grown": False,
            "selection": {"token": len(columns.tokens) - 1, "layer": layers[0]},
        },
    }
    document = (
        (_HERE / "alone.html")
        .read_text("utf-8")
        .format(hash=ALLOWED, style=_style(theme), start=START, data=as_data(data), script=_SCRIPT)
    )
    height = _AROUND + len(layers) * min(max(352 // len(layers), 22), 40)  # as map.js has it
    return (
        f'<iframe title="{words.HTML["role"]}" sandbox="allow-scripts" srcdoc="{escape(document)}" '
        f'style="width: 100%; height: {height}px; border: 0"></iframe>'
    )


def _style(theme: Theme) -> str:
    inks = INKS[theme]
    known = {
        "font": LOOK.text_font,
        "code-font": LOOK.number_font,
        "text-color": inks.ink,
        "background-color": inks.paper,
        "secondary-background-color": inks.panel,
        "border-color": inks.line,
        "primary-color": inks.accent,
    }
    named = " ".join(f"--st-{name}: {value};" for name, value in known.items())
    return (
        f":root {{ {named} --map-visibility: visible }}\n"
        f"body {{ margin: 0; background: {inks.paper} }}\n{STYLE.read_text('utf-8')}"
    )
