"""A record as a notebook shows it: what was run, its text, and the interactive map."""

from html import escape

from olmoe_viz.figures.labels import shorten
from olmoe_viz.figures.palette import INKS
from olmoe_viz.records.comparison import Comparison
from olmoe_viz.records.generation import Generation
from olmoe_viz.records.trace import Trace
from olmoe_viz.report.run_map import MOST_TOKENS, run_map

_MOST_TEXT = 400
_CODE = '<code style="white-space: pre-wrap; background: none; color: inherit">'


def html(record: Trace | Generation | Comparison) -> str:
    """Return a record as HTML; all text in it is escaped, and scripts run in frames alone.

    Of a comparison each text is written out, and its map opens with a press.
    """
    if isinstance(record, Comparison):
        parts = "".join(
            f"<div>{_line(_facts(each))}{_texts(each)}</div>"
            f"<details><summary>{escape(str(each.policy))}</summary>{run_map(each)}</details>"
            for each in record.generations
        )
    else:
        parts = f"{_line(_facts(record))}{_texts(record)}{run_map(record)}"
    inks = INKS["light"]
    style = f"padding: 8px; background: {inks.paper}; color: {inks.ink}"
    return f'<div style="{style}">{parts}</div>'


def _line(words: str) -> str:
    return f"<div>{escape(words)}</div>"


def _facts(record: Trace | Generation) -> str:
    """The model, the policy, the tokens and how many of them are drawn, in one line."""
    source = record.provenance
    named = source.model if source.revision is None else f"{source.model} at {source.revision}"
    count, what = len(record.tokens), "tokens"
    if isinstance(record, Generation):
        count, what = record.prompt_tokens + count, f"tokens, {count:,} of them generated"
    shown = f", the first {MOST_TOKENS:,} are drawn" if count > MOST_TOKENS else ""
    return f"{named}, {record.policy}: {count:,} {what}{shown}."


def _texts(record: Trace | Generation) -> str:
    """The text that was read, and what was written; in `code`, where nothing is typeset."""
    texts = (record.prompt, record.text) if isinstance(record, Generation) else (record.text,)
    lines = (f"{_CODE}{escape(shorten(text, _MOST_TEXT))}</code>" for text in texts)
    return "".join(f"<div>{line}</div>" for line in lines)
