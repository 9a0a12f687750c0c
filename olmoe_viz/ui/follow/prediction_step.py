"""Step 9: the next token under both ks, how it came about, and which experts push it."""

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from olmoe_viz.analysis.attribution import contributions
from olmoe_viz.figures import expert_bars, logit_lens, rank_change
from olmoe_viz.figures.labels import digits, number, visible
from olmoe_viz.numerics.divergence import kl_divergence
from olmoe_viz.records.prediction import Predictions
from olmoe_viz.requests import DirectionsRequest, LensRequest
from olmoe_viz.ui.follow.step import Step, needs_vectors
from olmoe_viz.ui.follow.story import Story
from olmoe_viz.ui.widgets.figure import plot
from olmoe_viz.ui.widgets.wording import plain

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
    "from olmoe_viz.engine.engine import asking\n"
    "from olmoe_viz.requests import LensRequest, PredictRequest\n"
    "ask = asking(ov.LocalEngine(model))\n"
    "ask(PredictRequest(trace.request, (token,))), ask(LensRequest(trace.request, token))\n"
    "trace.next_probabilities()",
    terms=("logits", "logit lens", "KL divergence"),
    vectors=True,
)


def prediction(story: Story) -> None:
    """Both lists of next tokens, and what flips."""
    with PREDICTION.place(story, f"logits [{story.geometry.vocab:,}] float32"):
        if needs_vectors(story):
            return
        other = story.other
        if other is None:
            return
        one, two = story.expected(story.trace), story.expected(other)
        sides = (_side(one), _side(two))
        plot(
            rank_change.figure(*sides, names=story.names),
            alt=rank_change.describe(*sides, names=story.names),
            key="ranks",
        )
        _say(story, one, two)
        names = story.names
        _table([(names[0], _columns(one)), (names[1], _columns(two))])
        _lens(story)
        _pushes(story, one)


def _side(found: Predictions) -> rank_change.Side:
    return found.top_ids[0].tolist(), found.top_tokens[0], found.probabilities[0]


def _logits(found: Predictions) -> NDArray[np.float32]:
    assert found.logits is not None  # noqa: S101 - they are asked for
    logits: NDArray[np.float32] = found.logits[0]
    return logits


def _say(story: Story, one: Predictions, two: Predictions) -> None:
    names = [visible(found.top_tokens[0][0]) for found in (one, two)]
    if one.top_ids[0, 0] == two.top_ids[0, 0]:
        line = f"Both expect ‘{names[0]}’"
    else:
        line = f"The prediction flips from ‘{names[0]}’ to ‘{names[1]}’"
    divergence = kl_divergence(_logits(one), _logits(two))
    st.text(
        f"{line} after token {story.token}.\n"
        f"The entropy is {digits(one.entropies[0])} against {digits(two.entropies[0])} nats. The "
        f"divergence (KL) of k = {story.chosen.against} from k = {story.chosen.k} is "
        f"{digits(divergence)} nats."
    )
    st.caption(
        "An arrow leads from a token to its place in the other list; a plus marks one that is in "
        "one list only."
    )


def _columns(found: Predictions) -> Columns:
    logits, ids = _logits(found), found.top_ids[0]
    return {
        "token": [plain(visible(token)) for token in found.top_tokens[0]],
        "id": [str(i) for i in ids],
        "logit": [number(logits[i], ".3f") for i in ids],
        "probability": [f"{p:.4f}" for p in found.probabilities[0]],
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


def _lens(story: Story) -> None:
    seen = story.ask(LensRequest(story.trace.request, story.token, top=3))
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


def _pushes(story: Story, one: Predictions) -> None:
    seen, winner = story.inspected(story.trace), int(one.top_ids[0, 0])
    row = next(at for at, policy in enumerate(seen.policies) if policy == story.chosen.policy)
    directions = story.ask(DirectionsRequest(story.trace.request, story.token, (winner,)))
    pushes = contributions(seen, directions, row, 0)
    used = np.flatnonzero(seen.weights[row])
    ids, quantity = seen.ids[used].tolist(), "push, logit units"
    st.markdown(
        "**Who pushes the winner.** What each expert of the chosen layer adds to the winning "
        "token's logit directly, with the scale of the final norm held fixed and the way through "
        "later layers left out: an approximation."
    )
    st.text(
        f"The {len(ids)} experts of layer {story.layer} together push "
        f"‘{visible(one.top_tokens[0][0])}’ by {number(pushes[used].sum(), '+.3f')}, of a "
        f"logit of {number(_logits(one)[winner], '.2f')}."
    )
    plot(
        expert_bars.figure(pushes[used], ids=ids, quantity=quantity, height=230, theme=story.theme),
        alt=expert_bars.describe(pushes[used], ids=ids, quantity=quantity),
        key="pushes",
    )
