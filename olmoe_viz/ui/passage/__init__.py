"""A generated text token by token: the shared beginning dimmed, the first difference marked."""

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

_HERE = Path(__file__).parent
_component = st.components.v2.component(
    "olmoe_viz_passage",
    html='<p dir="auto"></p>',
    css=(_HERE / "passage.css").read_text("utf-8"),
    js=(_HERE / "passage.js").read_text("utf-8"),
)


def passage(
    pieces: Sequence[str], probabilities: Sequence[float], *, shared: int | None, key: str
) -> None:
    """Show a text as typed, one span a token, with each token's probability on hover.

    Args:
        pieces: the text each token added, in order.
        probabilities: of each token under its own routing, before temperature.
        shared: how many first tokens are dimmed; the next one is marked. None marks nothing.
        key: unique on the page.
    """
    _component(
        key=key,
        data={
            "pieces": list(pieces),
            "hints": [f"probability {p:.3g}" for p in probabilities],
            "shared": shared,
        },
    )
