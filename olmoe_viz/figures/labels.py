"""Tokens and numbers as figures and pages show them.

plotly reads a little HTML, TeX and its own templates: foreign text is made inert here.
"""

from collections.abc import Sequence
from html import escape

# As the map's paint.js has them: fonts for code lack the pictures of a line feed and a tab.
_SHOWN = str.maketrans({" ": "·", "␊": "↵", "␉": "⇥"})
_NO_BREAK = "\N{NO-BREAK SPACE}"
OF_TEMPLATE = "of the chat template"  # what a token is that no person wrote


def safe(text: str) -> str:
    """Text that plotly shows as typed: no tags or entities, no TeX, no `%{...}` of a template."""
    return escape(text, quote=True).replace("$", "&#36;").replace("%{", "&#37;{")


def visible(token: str) -> str:
    """A token with its spaces as middle dots, its line feeds as arrows, and never empty."""
    return token.translate(_SHOWN) or "∅"


def shorten(text: str, limit: int = 14) -> str:
    """At most `limit` characters, the cut shown by an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def digits(value: float) -> str:
    """Three significant digits without an exponent for the sizes that figures show."""
    if value == 0:
        return "0"
    if abs(value) >= 1000 or abs(value) < 1e-4:
        return f"{value:.2e}"
    return f"{value:#.3g}".rstrip(".")


def number(value: float, form: str = ".3g") -> str:
    """In Python's format `form`, with a true minus sign."""
    return f"{value:{form}}".replace("-", "−")


def expert_name(expert: int, layer: int | None) -> str:
    """An expert as in "7·20", since one id in two layers is two experts; else its id."""
    return str(expert) if layer is None else f"{layer}·{expert}"


def expert_id(layer: int | None) -> str:
    """What an axis or a column of ids alone is called, which so names the layer once for all."""
    return "expert id" if layer is None else f"expert id in layer {layer}"


def percent(value: float) -> str:
    """A share of 1 in percent, three significant digits at most."""
    return f"{number(100 * value)}%"


def metric(value: float) -> str:
    """With k, M or G for thousands, millions and thousands of millions."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return number(value / size) + unit
    return number(value)


def alike(values: Sequence[float]) -> list[str]:
    """The same for numbers of one line: all with an exponent if one of them needs it."""
    words = [digits(value) for value in values]
    if any("e" in word for word in words):
        words = [f"{value:.2e}" if value else "0" for value in values]
    return words


def k_is(k: int | str) -> str:
    """A k or several in words, as in "k = 8"; the line does not break between k and the number."""
    return f"k{_NO_BREAK}={_NO_BREAK}{k}"
