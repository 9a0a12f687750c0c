"""HTML of our own with words in it, and data for its scripts; foreign text is never markup."""

import json
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

WORDS_SCRIPT = Path(__file__).with_name("words.js")  # how scripts fill words in


def worded(path: Path, words: Mapping[str, str]) -> str:
    """Return a file of HTML in which each name in braces stands for its words; they are text."""
    return path.read_text("utf-8").format_map({name: escape(said) for name, said in words.items()})


def constants(values: Mapping[str, Any]) -> str:
    """Return script that knows each value under its name."""
    return "".join(f"const {name} = {json.dumps(value)}\n" for name, value in values.items())


def as_data(value: Any) -> str:
    """Return JSON for a script element of that type: nothing in it can end the element."""
    return json.dumps(value, allow_nan=False).replace("<", "\\u003c")
