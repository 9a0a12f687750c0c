"""Steps 1 and 2: from text to token ids, and from an id to a vector."""

import numpy as np
import streamlit as st

from olmoe_viz.analysis.embedding import cosine_similarities
from olmoe_viz.figures import vector_strip
from olmoe_viz.figures.labels import digits, number, visible
from olmoe_viz.figures.palette import DIVERGING, text_on
from olmoe_viz.ui.follow.step import Step, needs_vectors
from olmoe_viz.ui.follow.story import Story
from olmoe_viz.ui.session import state
from olmoe_viz.ui.widgets.figure import plot
from olmoe_viz.ui.widgets.picker import Cell, picker
from olmoe_viz.ui.widgets.wording import count

TOKENIZATION = Step(
    1,
    "Tokenization",
    "The text is cut into pieces of a fixed vocabulary, and every piece becomes a number.",
    (r"\text{text} \to (t_1, \dots, t_T), \; t_i \in \{0, \dots, V - 1\}",),
    "trace = ov.trace(model, prompt)\ntrace.tokens, trace.token_ids, trace.token_bytes",
    terms=("token",),
)
EMBEDDING = Step(
    2,
    "Embedding",
    "The number picks one row of a table: the vector that this token starts with, wherever it "
    "stands.",
    (r"h^{0} = W_E[t] \in \mathbb{R}^{H}",),
    'trace = ov.trace(model, prompt, detail="full")\ntrace.hidden_states[0, token]',
    terms=("embedding", "residual stream"),
    vectors=True,
)
_ENDS = 4


def tokenization(story: Story) -> None:
    """Chips with ids; the bytes of the chosen one."""
    trace = story.trace
    context = story.geometry.context
    with TOKENIZATION.place(story, f"token_ids [{len(trace.tokens)}] int64"):
        ids = trace.token_ids
        cells = [
            Cell(
                visible(token),
                str(ids[at]),
                f"token {at}: {visible(token)}, id {ids[at]}",
            )
            for at, token in enumerate(trace.tokens)
        ]
        picker(
            cells,
            label="Token",
            chosen=story.token,
            shape="tokens",
            on_pick=lambda token: state.change(token=token),
            key="token_picker",
        )
        own = trace.token_bytes[story.token]
        st.text(
            f"token {story.token}: id {ids[story.token]}, {count(len(own), 'byte')} {own.hex(' ')}"
        )
        st.caption(
            f"{count(len(cells), 'token')} of at most {context:,}. A middle dot is a space. "
            "A code such as ‹E2› is a byte that is a character only together with its neighbors."
        )


def embedding(story: Story) -> None:
    """The vector as a strip, its ends and norm, and how alike the prompt's tokens begin."""
    hidden = story.geometry.hidden
    with EMBEDDING.place(story, f"hidden_states[0, token] [{hidden}] float32"):
        if needs_vectors(story) or story.trace.hidden_states is None:
            return
        vector = story.trace.hidden_states[0, story.token]
        plot(
            vector_strip.figure(vector[None], names=["h"], theme=story.theme),
            alt=vector_strip.describe(vector[None], names=["h"]),
            key="embedding",
        )
        ends = [", ".join(f"{v:.4f}" for v in part) for part in (vector[:_ENDS], vector[-_ENDS:])]
        norm = digits(float(np.linalg.norm(vector)))
        st.text(f"[{ends[0]}, … {ends[1]}]\nnorm {norm}")
        st.caption(
            "Cosine similarity of this vector to those of the other tokens: 1 is the same "
            "direction, 0 unrelated."
        )
        _similar(story, cosine_similarities(story.trace, story.token))


def _similar(story: Story, cosines: np.ndarray) -> None:
    scale = DIVERGING[story.theme]
    cells = []
    for at, (token, cosine) in enumerate(zip(story.trace.tokens, cosines, strict=True)):
        fill = scale[round((float(cosine) + 1) / 2 * (len(scale) - 1))]
        words = f"token {at}: {visible(token)}, cosine {number(cosine, '.3f')}"
        cells.append(Cell(visible(token), number(cosine, ".2f"), words, fill, text_on(fill)))
    picker(
        cells,
        label="Token, by likeness",
        chosen=story.token,
        shape="tokens",
        on_pick=lambda token: state.change(token=token),
        key="similar_picker",
    )
