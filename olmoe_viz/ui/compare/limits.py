"""What one comparison may ask for on this server: the page's own most, or less."""

from dataclasses import replace

from olmoe_viz import settings
from olmoe_viz.ui.compare.column_policies import FEWEST, MOST
from olmoe_viz.ui.compare.settings import MOST_TOKENS, Settings
from olmoe_viz.ui.texts import compare as texts


def columns() -> int:
    """The most columns, at least two."""
    return max(min(MOST, settings.current().columns), FEWEST)


def tokens() -> int:
    """The most tokens of a text."""
    return min(MOST_TOKENS, settings.current().new_tokens)


def held(asked: Settings) -> Settings:
    """What is asked for, as far as this server goes."""
    return replace(asked, new_tokens=min(asked.new_tokens, tokens()))


def sentence() -> str | None:
    """What is less here than elsewhere; None where nothing is."""
    fewer = columns() if columns() < MOST else None
    shorter = tokens() if tokens() < MOST_TOKENS else None
    return None if fewer is shorter is None else texts.limits(fewer, shorter)
