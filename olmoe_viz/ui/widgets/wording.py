"""Text of prompts and models on the page: always data, never markup.

`st.text` and components show such text as it is. Where only a Markdown label exists (help texts,
notices), it goes through `plain`.
"""

import re
from collections.abc import Sequence

from olmoe_viz.figures.labels import visible
from olmoe_viz.policy import Weighting

WEIGHTING_NAMES: dict[Weighting, str] = {
    "native": "native",
    "renormalized": "renormalized",
    "gain_anchored": "gain-anchored",
}
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
# Where Streamlit rewrites text even after backslashes: arrows and dashes, a name between colons
# (logo, icon, emoji), and addresses, which become links. An invisible word joiner keeps it off.
_JOINER = "\N{WORD JOINER}"
_REWRITTEN = re.compile(r"(?<=[-<>=~])(?=[-<>=~])|(?<=:)(?=\S)|(?<=[wW]{3})(?=\.)|(?=@)")


def plain(text: str) -> str:
    """Text that Streamlit's Markdown shows as typed, with every ASCII punctuation mark escaped."""
    return _PUNCTUATION.sub(r"\\\1", _REWRITTEN.sub(_JOINER, text))


def layer_of(layer: int, layers: Sequence[int]) -> str:
    """A layer among all layers of experts, as in "layer 7 (0 to 15)"."""
    return f"layer {layer} ({layers[0]} to {layers[-1]})"


def place(token: str, position: int, layer: int, layers: Sequence[int]) -> str:
    """The words for one cell of the map, as in "·was · token 5 · layer 7 (0 to 15)"."""
    return f"{visible(token)}  ·  token {position}  ·  {layer_of(layer, layers)}"


def count(number: int, noun: str) -> str:
    """A number with its noun, "1 token" or "12 tokens"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def billions(parameters: int) -> str:
    """A count of parameters with three significant digits and its unit."""
    for unit, size in (("B", 1_000_000_000), ("M", 1_000_000), ("k", 1_000)):
        if parameters >= size:
            return f"{parameters / size:#.3g}".rstrip(".") + f" {unit}"
    return str(parameters)


def listed(values: Sequence[object]) -> str:
    """Values in words, "8, 16 and 32"."""
    words = [str(value) for value in values]
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]
