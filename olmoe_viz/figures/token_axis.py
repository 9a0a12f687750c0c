"""An axis whose positions are the tokens of a prompt."""

from collections.abc import Sequence

from olmoe_viz.figures.labels import shorten, visible
from olmoe_viz.figures.marks import Axis, ticks

_NAMED = 48


def token_axis(tokens: Sequence[str], *, first: int = 0, down: bool = False) -> Axis:
    """An axis over tokens at positions `first` on, from the top if `down`.

    Up to 48 tokens are written out, spaces as middle dots; of more only some positions are named.
    """
    count = len(tokens)
    ends = (first - 0.5, first + count - 0.5)
    span = (ends[1], ends[0]) if down else ends
    if count > _NAMED:
        return Axis(span, ticks(first, first + count - 1, 10), "position of the token", bare=True)
    words = [shorten(visible(token), 10) for token in tokens]
    return Axis(span, list(enumerate(words, first)), bare=True, number=True)
