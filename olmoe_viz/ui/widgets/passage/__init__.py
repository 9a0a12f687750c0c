"""A generated text token by token, with marks; a card has the facts on the token pointed at.

The text is one stop of the Tab key; the arrow keys move from token to token. It runs in the
direction of its first letter that has one. All text reaches the page through `textContent`.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from olmoe_viz.ui.compare.marked_text import Token
from olmoe_viz.ui.widgets.component import code, sharing_component

CODE = code(
    "passage",
    Path(__file__).parent,
    "passage.js",
    html='<p dir="auto" role="group" tabindex="0"></p><div class="card" role="status"></div>',
    css="passage.css",
)
_component = sharing_component(CODE)


def passage(tokens: Sequence[Token], *, label: str, key: str) -> None:
    """Show a text as typed, one span a token.

    Args:
        tokens: in order, with their marks and what the card says of them.
        label: whose text this is, for a screen reader.
        key: unique on the page.
    """
    _component(key=key, data={"tokens": [asdict(token) for token in tokens], "label": label})
