"""The effect of the extra experts where two columns part: a figure, and the experts by layer."""

from typing import Any

import streamlit as st

from olmoe_viz.analysis.extra_experts import ExtraExperts
from olmoe_viz.analysis.token_diff import shared_prefix
from olmoe_viz.figures import logit_moves
from olmoe_viz.figures.labels import digits, number, visible
from olmoe_viz.records.generation import Generation
from olmoe_viz.ui.compare import measurement, text_columns
from olmoe_viz.ui.compare.comparison import Column, Comparison, distinct_names
from olmoe_viz.ui.compare.settings import Pair, Settings
from olmoe_viz.ui.session import answers, state, url
from olmoe_viz.ui.session.errors import TROUBLE, refuse
from olmoe_viz.ui.texts import compare as texts
from olmoe_viz.ui.widgets import panel
from olmoe_viz.ui.widgets.wording import plain

_NAMED = 4  # experts that a line of the table names
_BEFORE = 8  # tokens of the shared text that are quoted


def pairs(shown: list[Column]) -> list[Pair]:
    """The columns that can be compared: the smaller k first, and a token each where they part."""
    found = []
    for small, one in enumerate(shown):
        for large, two in enumerate(shown):
            place = shared_prefix(one.token_ids, two.token_ids)
            both_go_on = place < min(len(one.token_ids), len(two.token_ids))
            if one.k < two.k and both_go_on:
                found.append((small, large))
    return found


def draw(comparison: Comparison) -> dict[str, Any] | None:
    """The panel; returns its numbers for a file, or None when no two columns part."""
    # The badge names the two columns, which are chosen below it.
    head = st.container()
    shown = comparison.columns
    possible = pairs(shown)
    if not possible:
        with head:
            panel.head(texts.EXTRA_TITLE, *text_columns.where(shown))
        st.caption(texts.NO_PAIR)
        return None
    chosen = url.current(Settings).pair
    st.session_state["extra_pair"] = chosen if chosen in possible else possible[0]
    called = distinct_names(shown)
    small, large = st.selectbox(
        texts.PAIR,
        possible,
        format_func=lambda pair: f"{called[pair[0]]} and {called[pair[1]]}",
        key="extra_pair",
        on_change=url.take,
        args=(Settings, "pair", "extra_pair"),
        width=420,
    )
    with head:
        panel.head(texts.EXTRA_TITLE, *text_columns.where([shown[small], shown[large]]))
    one, two = shown[small].generation, shown[large].generation
    if one is None or two is None:
        return None
    pair, line = (small, large), st.empty()
    try:
        if pair not in comparison.extra:
            line.caption(texts.COMPARING_PAIR)
            ask = answers.asking(line, texts.COMPARING_PAIR)
            comparison.extra[pair] = measurement.what_was_added(one, two, ask)
            line.empty()
    except TROUBLE as error:
        refuse(error)
        return None
    found = comparison.extra[pair]
    place = shared_prefix(one.token_ids, two.token_ids)
    names = (visible(one.tokens[place]), visible(two.tokens[place]))
    _words(one, place, names, shown[small], shown[large], found)
    panel.chart(
        logit_moves.figure(
            found.logit_moves, layer_ids=found.layer_ids, names=names, theme=state.theme()
        ),
        alt=logit_moves.describe(found.logit_moves, layer_ids=found.layer_ids, names=names),
        key="extra_moves",
    )
    with st.expander(texts.BY_LAYER):
        st.caption(texts.BY_LAYER_WORDS)
        st.table(table(found, names), border="horizontal", alt=texts.BY_LAYER)
    return record(shown[small], shown[large], names, found)


def _words(
    before: Generation,
    place: int,
    names: tuple[str, str],
    small: Column,
    large: Column,
    found: ExtraExperts,
) -> None:
    shared = "".join(before.tokens[max(place - _BEFORE, 0) : place])
    with st.container(key="facts_extra"):
        quoted = f"{'… ' if place > _BEFORE else ''}{shared or 'the prompt'}"
        st.text(texts.where_they_part(quoted, names, (small.name, large.name)))
        first, second = found.logit_moves.sum(axis=0)
        st.text(texts.extra_moves((small.k, large.k), names, (first, second)))
    st.caption(texts.DIRECT_ONLY)


def table(found: ExtraExperts, names: tuple[str, str]) -> dict[str, list[str]]:
    """The extra experts of each layer and their moves; the heads are text made inert."""
    heads = [f"logit of {plain(name)}" for name in names]
    return {
        "layer": list(map(str, found.layer_ids)),
        heads[0]: [number(move, "+.3f") for move in found.logit_moves[:, 0]],
        heads[1] if heads[1] != heads[0] else f"{heads[1]} (second)": [
            number(move, "+.3f") for move in found.logit_moves[:, 1]
        ],
        "extra experts": [_experts(found, layer) for layer in range(len(found.ids))],
    }


def _experts(found: ExtraExperts, layer: int) -> str:
    ids, weights, norms = found.ids[layer], found.weights[layer], found.output_norms[layer]
    parts = [
        f"{texts.expert(found.layer_ids[layer], expert)} ({weight:.3f} × {digits(float(norm))})"
        for expert, weight, norm in zip(ids[:_NAMED], weights, norms, strict=False)
        if expert >= 0
    ]
    more = int((ids >= 0).sum()) - len(parts)
    return ", ".join(parts) + (f" and {more} more" if more else "")


def record(
    small: Column, large: Column, names: tuple[str, str], found: ExtraExperts
) -> dict[str, Any]:
    """All numbers of the panel."""
    return {
        "columns": [str(small.policy), str(large.policy)],
        "candidates": list(found.candidates),
        "candidate_tokens": list(names),
        "ids": found.ids.tolist(),
        "weights": found.weights.tolist(),
        "output_norms": found.output_norms.tolist(),
        "logit_moves": found.logit_moves.tolist(),
    }
