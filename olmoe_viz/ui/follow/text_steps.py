"""Steps 1 and 2: from text to token ids, and from an id to a vector."""

from collections.abc import Callable, Sequence

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from olmoe_viz.figures import vector_strip
from olmoe_viz.figures.labels import number, visible
from olmoe_viz.figures.palette import DIVERGING, text_on
from olmoe_viz.ui.follow.place import Place
from olmoe_viz.ui.texts import follow as texts
from olmoe_viz.ui.widgets.figure import plot
from olmoe_viz.ui.widgets.picker import Cell, picker

_ENDS = 4


def tokenization(
    place: Place,
    tokens: Sequence[str],
    ids: Sequence[int],
    spelled: Sequence[str],
    on_pick: Callable[[int], None],
) -> None:
    """One cell for each token with its id; the bytes of the chosen one.

    Args:
        place: the chosen token.
        tokens: the prompt as visible text.
        ids: theirs in the vocabulary.
        spelled: their bytes and characters in words.
        on_pick: takes the position of another token.
    """
    said = [
        texts.one_token(at, *token, template=at in place.template)
        for at, token in enumerate(zip(tokens, ids, spelled, strict=True))
    ]
    picker(
        [
            Cell(visible(token), str(own), words, quiet=at in place.template)
            for at, (token, own, words) in enumerate(zip(tokens, ids, said, strict=True))
        ],
        label=texts.TOKENS,
        chosen=place.token,
        shape="tokens",
        on_pick=on_pick,
        key="token_picker",
        right_to_left=place.right_to_left,
    )
    st.text(said[place.token])
    st.caption(texts.tokens_used(len(tokens), place.geometry.context))


def embedding(
    place: Place,
    tokens: Sequence[str],
    vector: NDArray[np.float32],
    cosines: NDArray[np.float64],
    on_pick: Callable[[int], None],
) -> None:
    """The vector as a strip, its ends and norm, and how alike the prompt's tokens begin.

    Args:
        place: the chosen token.
        tokens: the prompt as visible text.
        vector: the chosen token's embedding, [hidden].
        cosines: between this embedding and each token's, [tokens].
        on_pick: takes the position of another token.
    """
    plot(
        vector_strip.figure(vector[None], names=[texts.VECTOR], theme=place.theme),
        key="embedding",
    )
    first, last = (
        ", ".join(f"{v:.4f}" for v in part) for part in (vector[:_ENDS], vector[-_ENDS:])
    )
    st.text(texts.vector((first, last), float(np.linalg.norm(vector))))
    st.caption(texts.COSINES)
    scale = DIVERGING[place.theme]
    cells = []
    for at, (token, cosine) in enumerate(zip(tokens, cosines.tolist(), strict=True)):
        fill = scale[round((cosine + 1) / 2 * (len(scale) - 1))]
        words = texts.likeness(at, token, cosine)
        cells.append(Cell(visible(token), number(cosine, ".2f"), words, fill, text_on(fill)))
    picker(
        cells,
        label=texts.TOKENS_BY_LIKENESS,
        chosen=place.token,
        shape="tokens",
        on_pick=on_pick,
        key="similar_picker",
        right_to_left=place.right_to_left,
    )
