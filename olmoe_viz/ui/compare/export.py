"""The whole comparison as files. Pure."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from olmoe_viz.requests import ChatMessage
from olmoe_viz.ui.compare.comparison import Comparison

Row = Mapping[str, Any]


def csv_text(comparison: Comparison, facts: Sequence[Row]) -> str:
    """One line a column: its `facts`, and in every line what all columns have in common.

    Texts that a spreadsheet would run as a formula begin with an apostrophe more; the JSON file has
    them as they are.
    """
    asked = _common(comparison)
    out = io.StringIO()
    writer = csv.DictWriter(out, [*facts[0], *asked])
    writer.writeheader()
    for row in facts:
        writer.writerow({name: _inert(value) for name, value in {**row, **asked}.items()})
    return out.getvalue()


def _inert(value: object) -> object:
    """A cell that no spreadsheet takes for a formula; numbers keep their signs."""
    formula = isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
    return f"'{value}" if formula else value


def json_text(
    comparison: Comparison, facts: Sequence[Row], details: Sequence[Row], more: Row
) -> str:
    """Everything but the router logits: tokens and `details` by column, `more` of the whole."""
    columns = [
        {
            **row,
            "token_ids": column.token_ids,
            "pieces": column.pieces,
            "logprobs": column.logprobs,
            **detail,
        }
        for row, column, detail in zip(facts, comparison.columns, details, strict=True)
    ]
    whole = {**_common(comparison), "columns": columns, **more}
    return json.dumps(whole, ensure_ascii=False, indent=1)


def _common(comparison: Comparison) -> dict[str, Any]:
    settings = asdict(comparison.settings)
    for name in ("policies", "reference", "pair", "generate"):
        del settings[name]
    prompt = comparison.prompt
    return {
        "prompt": prompt.content if isinstance(prompt, ChatMessage) else prompt,
        "chat_template": isinstance(prompt, ChatMessage),
        "model": comparison.model,
        "digest": comparison.digest,
        "seconds_together": round(comparison.seconds, 4),
        "tokens_per_second_together": round(comparison.tokens_per_second, 2),
        "bytes_per_step_together": comparison.bytes_per_step,
        "share_of_limit_together": comparison.share_of_limit,
    } | settings
