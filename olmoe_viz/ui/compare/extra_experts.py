"""The effect of the extra experts where two columns part: a figure, and the experts by layer."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from olmoe_viz.analysis.extra_experts import ExtraExperts
from olmoe_viz.analysis.token_diff import shared_prefix
from olmoe_viz.figures import logit_moves
from olmoe_viz.figures.labels import digits, expert_name, number, visible
from olmoe_viz.ui.compare import measurement, text_columns
from olmoe_viz.ui.compare.comparison import Column, Comparison, distinct_names
from olmoe_viz.ui.compare.settings import Pair, Settings
from olmoe_viz.ui.session import answers, state, url
from olmoe_viz.ui.session.errors import TROUBLE, refuse
from olmoe_viz.ui.texts import compare as texts
from olmoe_viz.ui.widgets import panel
from olmoe_viz.ui.widgets.figure import plot
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
    head = st.container()  # its badge names the two columns, which are chosen below it
    shown = comparison.columns
    possible = pairs(shown)
    if not possible:
        with head:
            panel.head(texts.EXTRA_TITLE, *text_columns.where(shown))
        st.caption(texts.NO_PAIR)
        return None
    pair = _chosen(possible, distinct_names(shown))
    small, large = (shown[at] for at in pair)
    with head:
        panel.head(texts.EXTRA_TITLE, *text_columns.where([small, large]))
    found = _measured(comparison, pair)
    if found is None or small.generation is None or large.generation is None:
        return None
    place = shared_prefix(small.token_ids, large.token_ids)
    names = (visible(small.generation.tokens[place]), visible(large.generation.tokens[place]))
    _words(small.generation.tokens[:place], names, (small, large), found)
    _numbers(found, names)
    return record(small, large, names, found)


def _chosen(possible: list[Pair], names: list[str]) -> Pair:
    """Let two columns be chosen; without a choice the first two that part."""
    chosen = url.current(Settings).pair
    st.session_state["extra_pair"] = chosen if chosen in possible else possible[0]
    return st.selectbox(
        texts.PAIR,
        possible,
        format_func=lambda pair: texts.both(names[pair[0]], names[pair[1]]),
        key="extra_pair",
        on_change=url.take,
        args=(Settings, "pair", "extra_pair"),
        width=420,
    )


def _measured(comparison: Comparison, pair: Pair) -> ExtraExperts | None:
    """What the larger k of a pair adds, measured once; None after a sentence that says why."""
    if pair in comparison.extra:
        return comparison.extra[pair]
    line = st.empty()
    line.caption(texts.COMPARING_PAIR)
    small, large = (comparison.records()[at] for at in pair)
    try:
        ask = answers.asking(line, texts.COMPARING_PAIR)
        comparison.extra[pair] = measurement.what_was_added(small, large, ask)
    except TROUBLE as error:
        refuse(error)
        return None
    line.empty()
    return comparison.extra[pair]


def _words(
    before: Sequence[str],
    names: tuple[str, str],
    columns: tuple[Column, Column],
    found: ExtraExperts,
) -> None:
    small, large = columns
    first, second = found.logit_moves.sum(axis=0)
    with st.container(key="facts_extra"):
        quoted = texts.quoted("".join(before[-_BEFORE:]), cut=len(before) > _BEFORE)
        st.text(texts.where_they_part(quoted, names, (small.name, large.name)))
        st.text(texts.extra_moves((small.k, large.k), names, (first, second)))
    st.caption(texts.DIRECT_ONLY)


def _numbers(found: ExtraExperts, names: tuple[str, str]) -> None:
    plot(
        logit_moves.figure(
            found.logit_moves, layer_ids=found.layer_ids, names=names, theme=state.theme()
        ),
        key="extra_moves",
    )
    with st.expander(texts.BY_LAYER):
        st.caption(texts.BY_LAYER_WORDS)
        st.table(table(found, names), border="horizontal", alt=texts.BY_LAYER)


def table(found: ExtraExperts, names: tuple[str, str]) -> dict[str, list[str]]:
    """The extra experts of each layer and their moves; the heads are text made inert."""
    heads = [texts.logit_of(plain(name)) for name in names]
    return {
        texts.LAYER: list(map(str, found.layer_ids)),
        heads[0]: [number(move, "+.3f") for move in found.logit_moves[:, 0]],
        heads[1] if heads[1] != heads[0] else texts.second(heads[1]): [
            number(move, "+.3f") for move in found.logit_moves[:, 1]
        ],
        texts.EXTRA: [_experts(found, layer) for layer in range(len(found.ids))],
    }


def _experts(found: ExtraExperts, layer: int) -> str:
    ids, weights, norms = found.ids[layer], found.weights[layer], found.output_norms[layer]
    parts = [
        f"{expert_name(expert, found.layer_ids[layer])} ({weight:.3f} × {digits(float(norm))})"
        for expert, weight, norm in zip(ids[:_NAMED], weights, norms, strict=False)
        if expert >= 0
    ]
    more = int((ids >= 0).sum()) - len(parts)
    return ", ".join(parts) + (texts.and_more(more) if more else "")


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
