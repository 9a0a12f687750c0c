"""How well each setting predicts the prompt, repetition in its text, recorded bits per byte."""

from collections.abc import Sequence

import streamlit as st

from olmoe_viz.analysis.quality import PromptQuality
from olmoe_viz.analysis.token_diff import repetition_rate
from olmoe_viz.figures.labels import digits
from olmoe_viz.models.catalogue import BUNDLED
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.ui import glossary
from olmoe_viz.ui.compare import table, text_columns
from olmoe_viz.ui.compare.comparison import Column, Comparison
from olmoe_viz.ui.quality import tables
from olmoe_viz.ui.session import state
from olmoe_viz.ui.texts import compare as texts
from olmoe_viz.ui.widgets import panel

LONG_ENOUGH = 20  # predicted tokens from which a perplexity is shown
_TERMS = ("perplexity", "KL divergence")
Rows = dict[str, list[str]]


def draw(comparison: Comparison) -> None:
    """The two tables, and what they can and cannot tell."""
    trained = comparison.geometry.trained_k
    panel.head(texts.QUALITY_TITLE, *text_columns.where(comparison.columns))
    table.draw(
        rows(comparison.columns, comparison.qualities, trained),
        comparison.columns,
        alt=texts.QUALITY_ALT,
    )
    tokens = comparison.qualities[0].tokens
    if tokens < LONG_ENOUGH:
        _offer_longer(tokens)
    st.caption(texts.quality_words(trained, ", ".join(map(glossary.link, _TERMS))))
    if comparison.model == BUNDLED:
        panel.head(texts.HELD_OUT_TITLE, "recorded", tables.where())
        rows_held_out = held_out_rows(comparison.columns)
        table.draw(rows_held_out, comparison.columns, alt=texts.HELD_OUT_ALT)
        st.caption(texts.HELD_OUT)


def _offer_longer(tokens: int) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="no_perplexity"):
        st.caption(texts.no_perplexity(tokens, LONG_ENOUGH), width="content")
        st.button(texts.LONGER_EXAMPLE, key="longer_example", on_click=_run_longer)


def _run_longer() -> None:
    st.session_state["draft"] = texts.LONGER_PROMPT
    state.submit(texts.LONGER_PROMPT)


def rows(shown: Sequence[Column], found: Sequence[PromptQuality], trained_k: int) -> Rows:
    """The measures in words and numbers; a perplexity only where the prompt is long enough."""
    tokens = found[0].tokens
    first = {
        texts.log_likelihood(tokens): [
            texts.NONE_PREDICTED if one.mean_nll is None else digits(one.mean_nll) for one in found
        ]
    }
    if tokens >= LONG_ENOUGH:
        values = [_perplexity(one) for one in found]
        first[texts.PERPLEXITY] = ["" if value is None else digits(value) for value in values]
    return first | {
        texts.divergence(trained_k): [digits(one.mean_kl) for one in found],
        texts.agreement(trained_k): [f"{one.agreement:.1%}" for one in found],
        texts.REPEATED: [f"{repetition_rate(column.token_ids):.1%}" for column in shown],
    }


def held_out_rows(shown: Sequence[Column]) -> Rows:
    """Bits per byte with their 95% interval; only some ks were measured."""
    found = [held_out(column.policy) for column in shown]
    return {
        texts.BITS: [texts.NOT_MEASURED if bits is None else f"{bits[0]:.3f}" for bits in found],
        texts.INTERVAL: [
            "" if bits is None else texts.interval(bits[1], bits[2]) for bits in found
        ],
    }


def held_out(policy: RoutingPolicy) -> tuple[float, float, float] | None:
    """Recorded bits per byte, and the ends of their interval."""
    table = tables.table("quality")
    chosen = table[
        (table["k"] == policy.k)
        & (table["weighting"] == policy.weighting)
        & (table["domain"] == tables.ALL)
    ]
    if chosen.empty:
        return None
    row = chosen.iloc[0]
    return float(row["bits_per_byte"]), float(row["low"]), float(row["high"])


def facts(column: Column, one: PromptQuality, model: str) -> dict[str, float | int | None]:
    """The measures of one column for a file."""
    bits = held_out(column.policy) if model == BUNDLED else None
    return {
        "prompt_tokens_predicted": one.tokens,
        "prompt_mean_nll": one.mean_nll,
        "prompt_perplexity": _perplexity(one),
        "prompt_mean_kl": one.mean_kl,
        "prompt_agreement": one.agreement,
        "recorded_bits_per_byte": None if bits is None else bits[0],
    }


def _perplexity(one: PromptQuality) -> float | None:
    return one.perplexity if one.tokens >= LONG_ENOUGH else None
