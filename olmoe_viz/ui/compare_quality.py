"""What was measured of each text and each setting, and what was recorded on held-out text."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from olmoe_viz.analysis.comparison import repetition_rate
from olmoe_viz.charts.labels import digits
from olmoe_viz.models.catalogue import BUNDLED
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.ui import panel, recorded
from olmoe_viz.ui.comparison import Column, Comparison

if TYPE_CHECKING:
    from olmoe_viz.analysis.quality import PromptQuality

LONG_ENOUGH = 20  # predicted tokens from which a perplexity is shown
Table = dict[str, list[str]]


def draw(comparison: Comparison, found: "Sequence[PromptQuality]") -> None:
    """The two tables, and what they can and cannot tell."""
    trained = comparison.geometry.trained_k
    panel.head("Measured quality of each text and setting", "live")
    st.table(table(comparison.columns, found, trained), border="horizontal")
    st.caption(
        f"What these can tell: how far a setting moves from k = {trained} on this prompt, and how "
        "well it predicts the prompt. What they cannot: whether the text is true or good, or which "
        "k is better in general; a few tokens decide little, and a text without repetition can "
        "still be bad."
    )
    if comparison.model == BUNDLED:
        panel.head("The same settings on held-out text", "recorded", recorded.WHERE)
        st.table(held_out_table(comparison.columns), border="horizontal")
        st.caption("Mean of ten domains. Less is better. The page Quality has all of it.")


def table(columns: Sequence[Column], found: "Sequence[PromptQuality]", trained_k: int) -> Table:
    """Rows by what was measured, columns as the texts stand."""
    tokens = found[0].tokens
    rows = {
        f"negative log-likelihood of the prompt, mean of {tokens} tokens, nats": [
            "none: one token" if one.mean_nll is None else digits(one.mean_nll) for one in found
        ],
        "perplexity of the prompt": [_perplexity(one) for one in found],
        f"KL divergence from k = {trained_k}, mean over the prompt, nats": [
            digits(one.mean_kl) for one in found
        ],
        f"same likeliest token as k = {trained_k}": [f"{one.agreement:.1%}" for one in found],
        "repeated sequences of 4 tokens in the text": [
            f"{repetition_rate(column.token_ids):.1%}" for column in columns
        ],
    }
    return _turned(rows, columns)


def held_out_table(columns: Sequence[Column]) -> Table:
    """Bits per byte with their 95 % interval; only some ks were measured."""
    values = []
    for column in columns:
        bits = held_out(column.policy)
        values.append("not measured" if bits is None else f"{bits[0]:.3f}")
    spans = []
    for column in columns:
        bits = held_out(column.policy)
        spans.append("" if bits is None else f"{bits[1]:.3f} to {bits[2]:.3f}")
    return _turned({"bits per byte": values, "95 % interval": spans}, columns)


def held_out(policy: RoutingPolicy) -> tuple[float, float, float] | None:
    """Recorded bits per byte, and the ends of their interval."""
    rows = recorded.table("quality")
    chosen = rows[
        (rows["k"] == policy.k)
        & (rows["weighting"] == policy.weighting)
        & (rows["domain"] == recorded.ALL)
    ]
    if chosen.empty:
        return None
    row = chosen.iloc[0]
    return float(row["bits_per_byte"]), float(row["low"]), float(row["high"])


def facts(column: Column, one: "PromptQuality", model: str) -> dict[str, float | int | None]:
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


def _perplexity(one: "PromptQuality") -> str:
    if one.perplexity is None or one.tokens < LONG_ENOUGH:
        return "prompt too short"
    return f"{digits(one.perplexity)} ({one.tokens} tokens)"


def _turned(rows: Table, columns: Sequence[Column]) -> Table:
    """Columns of the table by the names of the texts, numbered where two are the same."""
    names = [column.name for column in columns]
    unique = [
        name if names.count(name) == 1 else f"{name} (column {at + 1})"
        for at, name in enumerate(names)
    ]
    return {"": list(rows)} | {
        name: [values[at] for values in rows.values()] for at, name in enumerate(unique)
    }
