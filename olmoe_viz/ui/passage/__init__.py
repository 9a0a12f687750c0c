"""A generated text token by token, marked; a card says more about the token one points at.

One stop of the Tab key; the arrow keys move from token to token. All text reaches the page through
`textContent`.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import streamlit as st

from olmoe_viz.ui.marked_text import Token

_HERE = Path(__file__).parent
_component = st.components.v2.component(
    "olmoe_viz_passage",
    html='<p dir="auto" role="group" tabindex="0"></p><div class="card" role="status"></div>',
    css=(_HERE / "passage.css").read_text("utf-8"),
    js=(_HERE / "passage.js").read_text("utf-8"),
)


def passage(tokens: Sequence[Token], *, label: str, key: str) -> None:
    """Show a text as typed, one span a token.

    Args:
        tokens: in order, with their marks and what the card says of them.
        label: whose text this is, for a screen reader.
        key: unique on the page.
    """
    _component(key=key, data={"tokens": [asdict(token) for token in tokens], "label": label})
