"""What each k costs: sizes by formula, times of this run, and times of each k alone."""

from collections.abc import Sequence
from statistics import median
from typing import TYPE_CHECKING, Any

import streamlit as st

from olmoe_viz.charts.labels import digits
from olmoe_viz.costs import bytes_per_token
from olmoe_viz.ui import measures, panel
from olmoe_viz.ui.comparison import Column, Comparison
from olmoe_viz.ui.notice import refusal
from olmoe_viz.ui.text import billions, count

if TYPE_CHECKING:
    from olmoe_viz.models.load import Model

RUNS = 3
_TOKENS = 16  # of each run alone
Facts = dict[str, Any]


def draw(comparison: Comparison, model: "Model") -> list[Facts]:
    """The panel; returns its numbers by column for a file."""
    bandwidth = measures.bandwidth(str(model.device))
    panel.head(
        "Cost",
        "live",
        "Parameters and bytes are derived from the model's sizes. "
        f"Bandwidth: the median of {bandwidth.copies} copies of {bandwidth.copied >> 20} MiB "
        f"within the memory of {bandwidth.device}, bytes read and written.",
    )
    with st.container(horizontal=True, vertical_alignment="center", key="cost_controls"):
        pressed = st.button(f"Time each k alone ({RUNS} runs)", key="time_alone")
        stop, line = st.empty(), st.empty()
    if pressed:
        stop.button("Stop", key="stop_timing")
        _time(comparison, model, line)
        stop.empty()
        line.empty()
    found = facts(comparison, bandwidth.bytes_per_second, model.dtype.itemsize)
    st.table(table(comparison.columns, found), border="horizontal")
    st.caption(
        f"Bandwidth of {bandwidth.device}: {bandwidth.bytes_per_second / 1e9:.1f} GB/s, measured "
        f"once for this server by copying {bandwidth.copied >> 20} MiB {bandwidth.copies} times. "
        "No k can write faster than its bytes can be read. All times exclude loading the model, "
        "warming up and reading the prompt. “Together” is this one run, in which every step "
        "writes a token in each column, so the columns share their speed; “alone” is the median "
        f"of {RUNS} runs of {_TOKENS} tokens, greedy, one text at a time."
    )
    return found


def facts(comparison: Comparison, bytes_per_second: float, bytes_per_value: int) -> list[Facts]:
    """By column: bytes read for a token, the limit that they set, and the speeds reached."""
    found = []
    for column, row in zip(comparison.columns, comparison.rows(), strict=True):
        size = bytes_per_token(comparison.geometry, column.k, bytes_per_value)
        limit = bytes_per_second / size
        alone = comparison.alone.get(str(column.policy), [])
        speed = 1 / median(alone) if alone else row["tokens_per_second"]
        found.append(
            row
            | {
                "bytes_per_token": size,
                "copy_bytes_per_second": round(bytes_per_second),
                "limit_tokens_per_second": limit,
                "tokens_per_second_alone": 1 / median(alone) if alone else None,
                "runs_alone": len(alone),
                "share_of_limit": speed / limit if speed else None,
            }
        )
    return found


def table(columns: Sequence[Column], found: Sequence[Facts]) -> dict[str, list[str]]:
    """One line a column, the origin of each quantity in its head."""
    return {
        "k, weights": [column.name.removeprefix("k = ") for column in columns],
        "active parameters, derived": [
            f"{billions(row['active_parameters'])} ({row['share_of_parameters']:.1%})"
            for row in found
        ],
        "read per token, derived": [f"{row['bytes_per_token'] / 1e6:,.1f} MB" for row in found],
        "limit by bandwidth, derived": [
            f"{row['limit_tokens_per_second']:,.0f} tokens/s" for row in found
        ],
        "together, 1 run": [_speed(row["tokens_per_second"], "none") for row in found],
        "alone": [_alone(row) for row in found],
        "share of the limit": [
            "none"
            if row["share_of_limit"] is None
            else f"{row['share_of_limit']:.1%} {'alone' if row['runs_alone'] else 'together'}"
            for row in found
        ],
    }


def _alone(row: Facts) -> str:
    runs = row["runs_alone"]
    speed = _speed(row["tokens_per_second_alone"], "not timed")
    return speed if runs in (0, RUNS) else f"{speed}, {count(runs, 'run')}"


def _speed(tokens_per_second: float | None, without: str) -> str:
    return without if not tokens_per_second else f"{digits(tokens_per_second)} tokens/s"


def _time(
    comparison: Comparison, model: "Model", line: "st.delta_generator.DeltaGenerator"
) -> None:
    """Each run is kept at once; a stop ends it at the next progress line."""
    from olmoe_viz.analysis.speed import decode_seconds
    from olmoe_viz.engine.decoding import DecodingError
    from olmoe_viz.engine.inputs import InputError

    policies = list(dict.fromkeys(column.policy for column in comparison.columns))
    comparison.alone.clear()
    try:
        for at, policy in enumerate(policies):
            line.progress(at / len(policies), text=f"{policy}: warming up")
            kept = comparison.alone.setdefault(str(policy), [])
            for seconds in decode_seconds(model, comparison.prompt, policy, _TOKENS, RUNS):
                kept.append(seconds)
                done = (at + len(kept) / RUNS) / len(policies)
                line.progress(done, text=f"{policy}: run {len(kept)} of {RUNS}")
    except (InputError, DecodingError) as error:
        refusal(str(error))
