"""Step 3: what the token takes from those before it."""

from collections.abc import Callable, Sequence

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from olmoe_viz.figures import attention_heads, attention_map
from olmoe_viz.ui.follow.place import Place
from olmoe_viz.ui.texts import follow as texts
from olmoe_viz.ui.widgets.figure import plot

_HEAD = "attention_head"
# A map of more tokens than this sends megabytes to the browser.
_MAP_TOKENS = 192


def attention(
    place: Place,
    tokens: Sequence[str],
    row: NDArray[np.float32],
    before: NDArray[np.float32],
    added: NDArray[np.float32],
) -> None:
    """Heads by positions for the chosen token, and what the residual stream gains.

    Args:
        place: for the theme.
        tokens: the prompt as visible text.
        row: the chosen token's attention, [heads, tokens up to it].
        before: its residual stream before attention, [hidden].
        added: what attention adds, [hidden].
    """
    plot(
        attention_heads.figure(row, tokens=tokens, theme=place.theme),
        key="attention",
    )
    norms = (float(np.linalg.norm(vector)) for vector in (before, added, before + added))
    st.text(texts.attention_gain(*norms))


def window(place: Place, tokens: int) -> tuple[int, int]:
    """The first token that the causal map shows, and the one after the last."""
    first = max(0, place.token + 1 - _MAP_TOKENS)
    return first, min(tokens, first + _MAP_TOKENS)


def head_input(head: int, heads: int, on_change: Callable[[int], None]) -> None:
    """The number of the head whose map is drawn."""
    st.session_state[_HEAD] = head
    st.number_input(
        texts.HEAD,
        0,
        heads - 1,
        key=_HEAD,
        width=140,
        on_change=lambda: on_change(st.session_state[_HEAD]),
    )


def whole_map(
    place: Place, tokens: Sequence[str], weights: NDArray[np.float32], *, first: int, head: int
) -> None:
    """One head's causal map; `weights` is [tokens, tokens] of the tokens from `first` on."""
    stop = first + len(weights)
    st.caption(texts.attention_window(first, stop - 1, len(tokens)))
    plot(
        attention_map.figure(
            weights,
            tokens=tokens[first:stop],
            first=first,
            token=place.token,
            head=head,
            theme=place.theme,
        ),
        key="attention_map",
    )
