"""An axis whose positions are the tokens of a prompt."""

from collections.abc import Sequence
from typing import Any

from olmoe_viz.charts.labels import safe, shorten
from olmoe_viz.charts.theme import NUMBER_FONT

_NAMED = 48


def token_axis(tokens: Sequence[str], *, first: int = 0) -> dict[str, Any]:
    """Settings of an axis over tokens at positions `first` on.

    Up to 48 tokens are written out, spaces as middle dots; of more only some positions are named.
    """
    count = len(tokens)
    if count > _NAMED:
        return {"nticks": 10, "title": {"text": "position of the token"}}
    return {
        "tickvals": list(range(first, first + count)),
        "ticktext": [safe(shorten(token.replace(" ", "·"), 10)) or "∅" for token in tokens],
        "tickfont": {"family": NUMBER_FONT, "size": 12},
        "ticks": "",
    }
