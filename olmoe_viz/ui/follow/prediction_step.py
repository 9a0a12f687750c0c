"""Step 9: the next token under both ks, how it came about, and which experts push it."""

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from olmoe_viz.figures import expert_bars, logit_lens, rank_change
from olmoe_viz.figures.labels import number, visible
from olmoe_viz.numerics.divergence import kl_divergence
from olmoe_viz.records.prediction import Lens, Predictions
from olmoe_viz.ui.follow.place import Place
from olmoe_viz.ui.texts import follow as texts
from olmoe_viz.ui.widgets.figure import plot
from olmoe_viz.ui.widgets.wording import plain

Columns = dict[str, list[str]]


def next_tokens(place: Place, one: Predictions, two: Predictions) -> None:
    """Both lists of next tokens, and whether the first of them changes."""
    sides = (_side(one), _side(two))
    plot(
        rank_change.figure(*sides, names=place.names, theme=place.theme),
        key="ranks",
    )
    first = texts.expectation(
        (one.top_tokens[0][0], two.top_tokens[0][0]),
        place.token,
        same=one.top_ids[0, 0] == two.top_ids[0, 0],
    )
    entropies = (float(one.entropies[0]), float(two.entropies[0]))
    divergence = float(kl_divergence(logits(one), logits(two)))
    st.text(f"{first}\n{texts.uncertainty(entropies, divergence, place.ks)}")
    st.caption(texts.RANKS)
    _table([(place.names[0], _columns(one)), (place.names[1], _columns(two))])


def logits(found: Predictions) -> NDArray[np.float32]:
    """The logits of the one token that was asked about, [vocab]."""
    assert found.logits is not None  # noqa: S101 - they are asked for
    values: NDArray[np.float32] = found.logits[0]
    return values


def _side(found: Predictions) -> rank_change.Side:
    return found.top_ids[0].tolist(), found.top_tokens[0], found.probabilities[0]


def _columns(found: Predictions) -> Columns:
    values, ids = logits(found), found.top_ids[0]
    return {
        texts.TOKEN: [plain(visible(token)) for token in found.top_tokens[0]],
        texts.ID: [str(i) for i in ids],
        texts.LOGIT: [number(values[i], ".3f") for i in ids],
        texts.PROBABILITY: [f"{p:.4f}" for p in found.probabilities[0]],
    }


@st.fragment
def _table(tables: list[tuple[str, Columns]]) -> None:
    """The most likely tokens under each k, with its name, drawn only while open."""
    fold = st.expander(texts.NEXT_TOKENS, key="prediction_fold", on_change="rerun")
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
                    alt=texts.next_tokens(name),
                )


def through_layers(place: Place, seen: Lens) -> None:
    """The logit lens: the prediction after each block."""
    st.markdown(texts.lens(place.k, plain(visible(seen.tokens[-1][0]))))
    plot(
        logit_lens.figure(
            seen.tokens,
            seen.probabilities,
            seen.winner_probability,
            seen.winner_rank,
            k=place.k,
            theme=place.theme,
        ),
        key="lens",
    )


def pushes(place: Place, one: Predictions, ids: list[int], added: NDArray[np.float64]) -> None:
    """What each expert that ran adds directly to the winner's logit, [experts]."""
    winner = int(one.top_ids[0, 0])
    st.markdown(texts.PUSHES)
    logit = float(logits(one)[winner])
    total = float(added.sum())
    st.text(texts.pushed(len(ids), place.layer, one.top_tokens[0][0], total, logit))
    plot(
        expert_bars.figure(
            added,
            ids=ids,
            quantity=texts.PUSH,
            height=230,
            layer=place.layer,
            uses=place.uses,
            theme=place.theme,
        ),
        key="pushes",
    )
