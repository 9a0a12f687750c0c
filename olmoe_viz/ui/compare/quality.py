"""What was measured of each text and each setting, and what was recorded on held-out text."""

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
from olmoe_viz.ui.widgets import panel

LONG_ENOUGH = 20  # predicted tokens from which a perplexity is shown
_TERMS = ("perplexity", "KL divergence")
Rows = dict[str, list[str]]


def draw(comparison: Comparison) -> None:
    """The two tables, and what they can and cannot tell."""
    trained = comparison.geometry.trained_k
    panel.head("Measured quality of each text and setting", *text_columns.where(comparison.columns))
    table.draw(
        rows(comparison.columns, comparison.qualities, trained),
        comparison.columns,
        alt="What was measured of each text and setting",
    )
    st.caption(
        f"What these can tell: how far a setting moves from k = {trained} on this prompt, and how "
        "well it predicts the prompt. What they cannot: whether the text is true or good, or which "
        "k is better in general; a few tokens decide little, and a text without repetition can "
        f"still be bad. In the glossary: {', '.join(map(glossary.link, _TERMS))}."
    )
    if comparison.model == BUNDLED:
        panel.head("The same settings on held-out text", "recorded", tables.where())
        table.draw(
            held_out_rows(comparison.columns),
            comparison.columns,
            alt="Bits per byte of the same settings on held-out text",
        )
        st.caption("Mean of ten domains. Less is better. The page Quality has all of it.")


def rows(shown: Sequence[Column], found: Sequence[PromptQuality], trained_k: int) -> Rows:
    """What was measured, in words and numbers."""
    tokens = found[0].tokens
    return {
        f"negative log-likelihood of the prompt, mean of {tokens} tokens, nats": [
            "none: one token" if one.mean_nll is None else digits(one.mean_nll) for one in found
        ],
        "perplexity of the prompt": [_perplexity(one) for one in found],
        f"KL divergence from k = {trained_k}, mean over the prompt, nats": [
            digits(one.mean_kl) for one in found
        ],
        f"same likeliest token as k = {trained_k}": [f"{one.agreement:.1%}" for one in found],
        "repeated sequences of 4 tokens in the text": [
            f"{repetition_rate(column.token_ids):.1%}" for column in shown
        ],
    }


def held_out_rows(shown: Sequence[Column]) -> Rows:
    """Bits per byte with their 95 % interval; only some ks were measured."""
    found = [held_out(column.policy) for column in shown]
    return {
        "bits per byte": ["not measured" if bits is None else f"{bits[0]:.3f}" for bits in found],
        "95% interval": [
            "" if bits is None else f"{bits[1]:.3f} to {bits[2]:.3f}" for bits in found
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
        "prompt_perplexity": one.perplexity if one.tokens >= LONG_ENOUGH else None,
        "prompt_mean_kl": one.mean_kl,
        "prompt_agreement": one.agreement,
        "recorded_bits_per_byte": None if bits is None else bits[0],
    }


def _perplexity(one: PromptQuality) -> str:
    if one.perplexity is None or one.tokens < LONG_ENOUGH:
        return "prompt too short"
    return f"{digits(one.perplexity)} ({one.tokens} tokens)"
