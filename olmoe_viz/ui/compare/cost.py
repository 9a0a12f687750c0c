"""What each k costs: sizes by formula, times of this run, and times of each k alone."""

from collections.abc import Sequence
from statistics import median
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from olmoe_viz.engine.engine import Ticket
from olmoe_viz.figures.labels import digits
from olmoe_viz.numerics.costs import bytes_per_token
from olmoe_viz.records.timing import Bandwidth
from olmoe_viz.requests import TimeRequest
from olmoe_viz.ui.compare import table, text_columns
from olmoe_viz.ui.compare.comparison import Comparison
from olmoe_viz.ui.session import answers
from olmoe_viz.ui.session.errors import TROUBLE, refuse
from olmoe_viz.ui.session.stop import LOOK, touch
from olmoe_viz.ui.widgets import panel
from olmoe_viz.ui.widgets.wording import billions, count

RUNS = 3
_TOKENS = 16  # of each run alone, where the context has room for them
_WISH = "wish_for_times"
Facts = dict[str, Any]


def draw(comparison: Comparison, bytes_per_value: int, bandwidth: Bandwidth) -> list[Facts]:
    """The panel; returns its numbers by column for a file."""
    source, details = text_columns.where(comparison.columns)
    panel.head(
        "Cost",
        source,
        f"{details} "
        "Parameters and bytes are derived from the model's sizes. "
        f"Bandwidth: copies within the memory of {bandwidth.device}, bytes read and written.",
    )
    tokens = tokens_alone(comparison)
    with st.container(horizontal=True, vertical_alignment="center", key="cost_controls"):
        st.button(f"Time each k alone ({RUNS} runs)", key="time_alone", on_click=_wish)
        stop, line = st.empty(), st.empty()
    if st.session_state.pop(_WISH, False):
        stop.button("Stop", key="stop_timing")
        _time(comparison, line, tokens)
        stop.empty()
        line.empty()
    found = facts(comparison, bandwidth.bytes_per_second, bytes_per_value)
    table.draw(rows(found), comparison.columns, alt="What each k costs")
    st.caption(f"{limit_words(bandwidth)} {times_words(tokens)}")
    return found


def tokens_alone(comparison: Comparison) -> int:
    """How many tokens each run alone writes: the usual number, or what the context has room for.

    There is room for one: the texts were written after the same prompt.
    """
    prompt = len(comparison.records()[0].prompt_ids)
    return min(_TOKENS, comparison.geometry.context - prompt)


def limit_words(bandwidth: Bandwidth) -> str:
    """Where the limit comes from, and what a share of it does not say."""
    threads = bandwidth.threads
    with_all = f" with {count(threads, 'thread')}" if threads else ""
    one = "A small model decodes with one thread, which alone may reach less. " if threads else ""
    return (
        "Limit: every token needs its bytes read, and this memory copies "
        f"{bandwidth.bytes_per_second / 1e9:.1f} GB/s, measured once for this server as the "
        f"fastest of {bandwidth.copies} copies of {bandwidth.copied >> 20} MiB{with_all}. {one}"
        "A share above 100% says that the copies were disturbed by other work, or that weights "
        "stay in a cache."
    )


def times_words(tokens: int) -> str:
    """What the times of both kinds hold and leave out."""
    return (
        "Times exclude loading the model and reading the prompt. Together: this one run, with "
        "nothing before it to warm up, in which a step writes a token in every column, so that "
        f"all have the same speed. Alone: the median of {RUNS} runs of {count(tokens, 'token')}, "
        "greedy, one text at a time, after a short run that is not counted."
    )


def _wish() -> None:
    st.session_state[_WISH] = True


def facts(comparison: Comparison, bytes_per_second: float, bytes_per_value: int) -> list[Facts]:
    """By column: bytes read for a token, the limit that they set, and the speeds reached."""
    found, geometry = [], comparison.geometry
    for column, row in zip(comparison.columns, comparison.rows(), strict=True):
        used = column.experts_used(geometry.layers)
        size = bytes_per_token(geometry, used, bytes_per_value)
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


def rows(found: Sequence[Facts]) -> dict[str, list[str]]:
    """What each column costs, in words and numbers, with the origin of each."""
    return {
        "active parameters, derived": [billions(row["active_parameters"]) for row in found],
        "share of all, derived": [f"{row['share_of_parameters']:.1%}" for row in found],
        "read per token, derived, MB": [f"{row['bytes_per_token'] / 1e6:,.1f}" for row in found],
        "limit by bandwidth, tokens/s": [f"{row['limit_tokens_per_second']:,.0f}" for row in found],
        "written together, 1 run, tokens/s": [
            _number(row["tokens_per_second"], "none") for row in found
        ],
        f"written alone, {RUNS} runs, tokens/s": [_alone(row) for row in found],
        "share of the limit, alone if timed": [
            "none" if row["share_of_limit"] is None else f"{row['share_of_limit']:.1%}"
            for row in found
        ],
    }


def _alone(row: Facts) -> str:
    runs = row["runs_alone"]
    speed = _number(row["tokens_per_second_alone"], "not timed")
    return speed if runs in (0, RUNS) else f"{speed} ({count(runs, 'run')})"


def _number(value: float | None, without: str) -> str:
    return digits(value) if value else without


def _time(comparison: Comparison, line: DeltaGenerator, tokens: int) -> None:
    """Each run is kept at once; a stop ends it at the next look at the page."""
    policies = list(dict.fromkeys(column.policy for column in comparison.columns))
    comparison.alone.clear()
    try:
        for at, policy in enumerate(policies):
            ticket = answers.submit(
                TimeRequest(comparison.model, comparison.prompt, policy, tokens, RUNS)
            )
            kept = comparison.alone.setdefault(str(policy), [])
            _follow(ticket, kept, line, str(policy), (at / len(policies), 1 / len(policies)))
    except TROUBLE as error:
        refuse(error)


def _follow(
    ticket: Ticket, kept: list[float], line: DeltaGenerator, name: str, part: tuple[float, float]
) -> None:
    """Keep the seconds of each run; `part` is where this policy begins, and its share of all."""
    begin, share = part
    try:
        answers.wait_for_start(ticket, line)
        line.progress(begin, text=f"{name}: warming up")
        while not ticket.wait(LOOK):
            touch()
            if new := ticket.new_steps(len(kept), timeout=0):
                kept += new
                words = f"{name}: run {len(kept)} of {RUNS}"
                line.progress(begin + share * len(kept) / RUNS, text=words)
        kept += ticket.new_steps(len(kept), timeout=0)
    finally:
        ticket.cancel()
    ticket.result()
