"""What each k costs: sizes by formula, the speed of this run, and the speed of each k alone."""

from collections.abc import Sequence
from statistics import median
from typing import Any

import streamlit as st

from olmoe_viz.figures.labels import digits
from olmoe_viz.numerics.costs import bytes_per_token
from olmoe_viz.records.timing import Bandwidth
from olmoe_viz.ui.compare import table, text_columns, timing
from olmoe_viz.ui.compare.comparison import Comparison
from olmoe_viz.ui.texts import compare_cost as texts
from olmoe_viz.ui.widgets import panel
from olmoe_viz.ui.widgets.wording import billions, count

Facts = dict[str, Any]


def draw(comparison: Comparison, bandwidth: Bandwidth) -> list[Facts]:
    """The panel; returns its numbers by column for a file."""
    source, details = text_columns.where(comparison.columns)
    panel.head(texts.COST_TITLE, source, texts.cost_badge(details, bandwidth.device))
    st.caption(together_words(comparison))
    timing.draw(comparison)
    found = facts(comparison, bandwidth.bytes_per_second)
    table.draw(rows(found), comparison.columns, alt=texts.COST_ALT)
    times = texts.times(timing.RUNS, timing.tokens_alone(comparison))
    st.caption(f"{limit_words(bandwidth)} {times}")
    return found


def together_words(comparison: Comparison) -> str:
    """The one speed of all columns, what a step of them reads, and their share of the limit."""
    return texts.together(
        len(comparison.columns),
        comparison.tokens_per_second,
        comparison.bytes_per_step / 1e6,
        comparison.share_of_limit,
    )


def limit_words(bandwidth: Bandwidth) -> str:
    """The bandwidth that the limit is made of, in words."""
    return texts.limit(
        bandwidth.bytes_per_second / 1e9,
        bandwidth.copies,
        bandwidth.copied >> 20,
        bandwidth.threads,
    )


def facts(comparison: Comparison, bytes_per_second: float) -> list[Facts]:
    """By column: bytes read for a token, the limit that they set, and the speed reached alone."""
    found, geometry = [], comparison.geometry
    for column, row in zip(comparison.columns, comparison.rows(), strict=True):
        used = column.experts_used(geometry.layers)
        size = bytes_per_token(geometry, used, comparison.bytes_per_value)
        limit = bytes_per_second / size
        alone = comparison.alone.get(str(column.policy), [])
        speed = 1 / median(alone) if alone else None
        found.append(
            row
            | {
                "bytes_per_token": size,
                "copy_bytes_per_second": round(bytes_per_second),
                "limit_tokens_per_second": limit,
                "tokens_per_second_alone": speed,
                "slowest_tokens_per_second_alone": 1 / max(alone) if alone else None,
                "fastest_tokens_per_second_alone": 1 / min(alone) if alone else None,
                "runs_alone": len(alone),
                "share_of_limit_alone": None if speed is None else speed / limit,
            }
        )
    return found


def rows(found: Sequence[Facts]) -> dict[str, list[str]]:
    """What each column costs, in words and numbers, with the origin of each."""
    return {
        texts.ACTIVE: [billions(row["active_parameters"]) for row in found],
        texts.SHARE_OF_ALL: [f"{row['share_of_parameters']:.1%}" for row in found],
        texts.BYTES_READ: [f"{row['bytes_per_token'] / 1e6:,.1f}" for row in found],
        texts.LIMIT: [f"{row['limit_tokens_per_second']:,.0f}" for row in found],
        texts.written_alone(timing.RUNS): [_alone(row) for row in found],
        texts.SHARE_OF_LIMIT: [_share(row) for row in found],
    }


def _share(row: Facts) -> str:
    share = row["share_of_limit_alone"]
    return texts.NOT_TIMED if share is None else f"{share:.1%}"


def _alone(row: Facts) -> str:
    runs, speed = row["runs_alone"], row["tokens_per_second_alone"]
    if speed is None:
        return texts.NOT_TIMED
    if runs == 1:
        return f"{digits(speed)} ({count(runs, 'run')})"
    slowest, fastest = (row[f"{end}_tokens_per_second_alone"] for end in ("slowest", "fastest"))
    words = texts.speed_alone(digits(speed), digits(slowest), digits(fastest))
    return words if runs == timing.RUNS else f"{words}, {count(runs, 'run')}"
