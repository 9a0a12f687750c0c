"""Step 3: what the token takes from those before it."""

import numpy as np
import streamlit as st

from olmoe_viz.figures import attention_heads, attention_map
from olmoe_viz.figures.labels import digits
from olmoe_viz.requests import AttentionRequest
from olmoe_viz.ui.follow.step import Step, needs_vectors
from olmoe_viz.ui.follow.story import Story, begin
from olmoe_viz.ui.session import url
from olmoe_viz.ui.session.errors import guard
from olmoe_viz.ui.session.settings import FollowSettings
from olmoe_viz.ui.widgets.figure import plot

ATTENTION = Step(
    3,
    "Attention",
    "Each head looks back over the prompt and brings what it finds there into the token's vector.",
    (
        r"x = \operatorname{RMSNorm}(h)",
        r"q = R \operatorname{RMSNorm}(W_Q\,x)",
        r"K = R \operatorname{RMSNorm}(W_K\,x)",
        r"V = W_V\,x",
        (
            r"h \leftarrow h + W_O\,\big[\operatorname{softmax}(q_j K_j^{\top} / \sqrt{d})\, V_j"
            r"\big]_{j=1}^{\text{heads}}"
        ),
        r"\text{RMSNorm of } q, K \text{: over all heads at once}",
        r"R: \text{turned by position (RoPE)}",
    ),
    "from olmoe_viz.engine.engine import asking\n"
    "from olmoe_viz.requests import AttentionRequest\n"
    "ask = asking(ov.LocalEngine(model))\n"
    "ask(AttentionRequest(trace.request, layer, token, token + 1)).weights[:, 0]\n"
    "trace.attention_outputs[layer, token]",
    terms=("attention", "residual stream"),
    vectors=True,
)
# A map of more tokens than this sends megabytes to the browser.
_MAP_TOKENS = 192


def attention(story: Story) -> None:
    """Heads by positions for the chosen token, what the stream gains, and any head's whole map."""
    heads, tokens = story.geometry.heads, len(story.trace.tokens)
    shape = f"attention weights of the token [{heads} heads, {tokens} to] float32"
    with ATTENTION.place(story, shape):
        if needs_vectors(story):
            return
        own = AttentionRequest(story.trace.request, story.layer, story.token, story.token + 1)
        row = story.ask(own).weights[:, 0]
        names = story.trace.tokens
        plot(
            attention_heads.figure(row, tokens=names, theme=story.theme),
            alt=attention_heads.describe(row, tokens=names),
            key="attention",
        )
        st.text(_gain(story))
        _whole_map()


def _gain(story: Story) -> str:
    states, added = story.trace.hidden_states, story.trace.attention_outputs
    assert states is not None  # noqa: S101 - the step has checked it
    assert added is not None  # noqa: S101
    before, gain = states[story.layer, story.token], added[story.layer, story.token]
    norms = [float(np.linalg.norm(vector)) for vector in (before, gain, before + gain)]
    return (
        f"What attention adds has norm {digits(norms[1])}. It takes the norm of the residual "
        f"stream from {digits(norms[0])} to {digits(norms[2])}."
    )


@st.fragment
def _whole_map() -> None:
    """One head's causal map, drawn only while it is open.

    What a fragment is called with stays in memory as long as the tab is open, so this one asks for
    the run itself.
    """
    chosen = url.current(FollowSettings)
    url.mirror(chosen)
    st.session_state["attention_fold"] = chosen.head is not None
    fold = st.expander("The whole causal map of one head", key="attention_fold", on_change=_unfold)
    if chosen.head is None:
        return
    with fold, guard():
        story = begin()
        if story is not None and story.full:
            _map(story, min(chosen.head, story.geometry.heads - 1))


def _map(story: Story, chosen: int) -> None:
    st.session_state["attention_head"] = chosen
    head = st.number_input(
        "head",
        0,
        story.geometry.heads - 1,
        key="attention_head",
        width=140,
        on_change=url.take,
        args=(FollowSettings, "head", "attention_head"),
    )
    first = max(0, story.token + 1 - _MAP_TOKENS)
    last = min(len(story.trace.tokens), first + _MAP_TOKENS)
    window = AttentionRequest(story.trace.request, story.layer, first, last, seen_from=first)
    shown = story.ask(window).weights[head]
    st.caption(
        f"Rows look, columns are seen; the chosen token's row is outlined. Tokens {first} to "
        f"{last - 1} of {len(story.trace.tokens)}."
    )
    plot(
        attention_map.figure(
            shown,
            tokens=story.trace.tokens[first:last],
            first=first,
            token=story.token,
            theme=story.theme,
        ),
        alt=attention_map.describe(shown, head=head),
        key="attention_map",
    )


def _unfold() -> None:
    url.keep(FollowSettings(0 if st.session_state["attention_fold"] else None))
