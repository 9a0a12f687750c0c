"""Step 9: the next token under both ks, how it came about, and which experts push it."""

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from olmoe_viz.figures import expert_bars, logit_lens, rank_change
from olmoe_viz.figures.labels import digits, number, visible
from olmoe_viz.ui.follow import computed
from olmoe_viz.ui.follow.step import Step, needs_vectors
from olmoe_viz.ui.follow.story import Story
from olmoe_viz.ui.plot import plot
from olmoe_viz.ui.text import plain

if TYPE_CHECKING:
    from olmoe_viz.analysis.prediction import Prediction
    from olmoe_viz.models.load import Model

Columns = dict[str, list[str]]

PREDICTION = Step(
    9,
    "Prediction",
    "After the last block the vector is compared with a row for every token of the vocabulary, and "
    "softmax makes probabilities of the matches.",
    (
        r"\ell = W_U \operatorname{RMSNorm}(h^{L}) \in \mathbb{R}^{V}",
        r"P(t) = \frac{e^{\ell_t}}{\sum_{v=1}^{V} e^{\ell_v}}",
    ),
    "from olmoe_viz.analysis.prediction import logit_lens, predict\n"
    "predict(model, trace, token), logit_lens(model, trace, token)\n"
    "trace.next_probabilities()",
    terms=("logits", "logit lens", "KL divergence"),
    vectors=True,
)


def prediction(story: Story) -> None:
    """Both lists of next tokens, and what flips."""
    with PREDICTION.place(story, f"logits [{story.geometry.vocab:,}] float32"):
        if needs_vectors(story):
            return
        model, other = story.model(), story.other()
        if model is None or other is None:
            return
        one = computed.prediction(model, story.trace, story.token)
        two = computed.prediction(model, other.trace, story.token)
        sides = (_side(one), _side(two))
        plot(
            rank_change.figure(*sides, names=story.names),
            alt=rank_change.describe(*sides, names=story.names),
            key="ranks",
        )
        _say(story, one, two)
        names = story.names
        _table([(names[0], _columns(one)), (names[1], _columns(two))])
        _lens(story, model)
        _pushes(story, model, one)


def _side(found: "Prediction") -> rank_change.Side:
    return found.top_ids.tolist(), found.top_tokens, found.probabilities


def _say(story: Story, one: "Prediction", two: "Prediction") -> None:
    from olmoe_viz.analysis.prediction import kl_divergence

    names = [visible(found.top_tokens[0]) for found in (one, two)]
    if one.top_ids[0] == two.top_ids[0]:
        line = f"Both expect ‘{names[0]}’"
    else:
        line = f"The prediction flips from ‘{names[0]}’ to ‘{names[1]}’"
    st.text(
        f"{line} after token {story.token}.\n"
        f"The entropy is {digits(one.entropy)} against {digits(two.entropy)} nats. The "
        f"divergence (KL) of k = {story.chosen.against} from k = {story.chosen.k} is "
        f"{digits(kl_divergence(one.logits, two.logits))} nats."
    )
    st.caption(
        "An arrow leads from a token to its place in the other list; a plus marks one that is in "
        "one list only."
    )


def _columns(found: "Prediction") -> Columns:
    return {
        "token": [plain(visible(token)) for token in found.top_tokens],
        "id": [str(i) for i in found.top_ids],
        "logit": [number(found.logits[i], ".3f") for i in found.top_ids],
        "probability": [f"{p:.4f}" for p in found.probabilities],
    }


@st.fragment
def _table(tables: list[tuple[str, Columns]]) -> None:
    """The most likely tokens under each k, with its name, drawn only while open."""
    fold = st.expander("Logits and probabilities", key="prediction_fold", on_change="rerun")
    if not fold.open:
        return
    with fold:
        places = st.columns(len(tables), gap="large")
        for place, (name, columns) in zip(places, tables, strict=True):
            with place:
                st.caption(name)
                st.table(
                    columns,
                    border="horizontal",
                    hide_index=True,
                    alt=f"The ten most likely next tokens with {name}",
                )


def _lens(story: Story, model: "Model") -> None:
    seen = computed.lens(model, story.trace, story.token)
    winner = plain(visible(seen.tokens[-1][0]))
    st.markdown(
        "**Through the layers.** The logit lens reads the vector after every block as if it were "
        f"the last, here in the run with k = {story.chosen.k}. Early blocks were not trained to be "
        "read this way. The stronger the color of a cell, the more probable its token; the line "
        f"is the probability of ‘{winner}’, which wins after the last block."
    )
    plot(
        logit_lens.figure(
            seen.tokens,
            seen.probabilities,
            seen.winner_probability,
            seen.winner_rank,
            k=story.chosen.k,
            theme=story.theme,
        ),
        alt=logit_lens.describe(seen.tokens, seen.winner_probability),
        key="lens",
    )


def _pushes(story: Story, model: "Model", one: "Prediction") -> None:
    from olmoe_viz.analysis.prediction import expert_pushes

    seen = computed.inspection(model, story.trace, story.layer, story.token, story.ks)
    row = next(at for at, policy in enumerate(seen.policies) if policy == story.chosen.policy)
    pushes = expert_pushes(model, story.trace, seen, row, int(one.top_ids[0]))
    used = np.flatnonzero(seen.weights[row])
    ids, quantity = seen.ids[used].tolist(), "push, logit units"
    st.markdown(
        "**Who pushes the winner.** What each expert of the chosen layer adds to the winning "
        "token's logit directly, with the scale of the final norm held fixed and the way through "
        "later layers left out: an approximation."
    )
    st.text(
        f"The {len(ids)} experts of layer {story.layer} together push "
        f"‘{visible(one.top_tokens[0])}’ by {number(pushes[used].sum(), '+.3f')}, of a "
        f"logit of {number(one.logits[one.top_ids[0]], '.2f')}."
    )
    plot(
        expert_bars.figure(pushes[used], ids=ids, quantity=quantity, height=230, theme=story.theme),
        alt=expert_bars.describe(pushes[used], ids=ids, quantity=quantity),
        key="pushes",
    )
