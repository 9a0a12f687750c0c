"""A generated text token by token, marked; a card says more about the token one points at.

One stop of the Tab key; the arrow keys move from token to token. All text reaches the page through
`textContent`.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from olmoe_viz.ui.compare.marked_text import Token
from olmoe_viz.ui.widgets.component import component

_component = component(
    "passage",
    Path(__file__).parent,
    "passage.js",
    html='<p dir="auto" role="group" tabindex="0"></p><div class="card" role="status"></div>',
    css="passage.css",
)


def passage(tokens: Sequence[Token], *, label: str, key: str) -> None:
    """Show a text as typed, one span a token.

    Args:
        tokens: in order, with their marks and what the card says of them.
        label: whose text this is, for a screen reader.
        key: unique on the page.
    """
    _component(key=key, data={"tokens": [asdict(token) for token in tokens], "label": label})
