"""What the words on the pages mean: each term once, for help texts and for the glossary page.

Knows nothing about streamlit.
"""

import re

from olmoe_viz.ui.texts.glossary import TERMS


def term(name: str) -> str:
    """The meaning of a term, for `help=`. Raises KeyError when the glossary lacks it."""
    return TERMS[name]


def slug(name: str) -> str:
    """The anchor of a term on the glossary page."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower())


def link(name: str) -> str:
    """Markdown that leads from a page to the term. Raises KeyError when the glossary lacks it."""
    term(name)
    return f"[{name}](glossary#{slug(name)})"


def alphabetical() -> list[str]:
    """All terms in the order of the page."""
    return sorted(TERMS, key=str.lower)
