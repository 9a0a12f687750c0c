"""Two prompts and the part that is exchanged between them; and its link.

Pure: knows neither the session nor the widgets.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self, get_args

from olmoe_viz.requests import Part

PARTS: tuple[Part, ...] = get_args(Part)
LONGEST = 200  # characters of a prompt
# The bundled model expects "she" after the one and "he" after the other.
_CLEAN, _CORRUPT = "The woman was very happy when", "The man was very happy when"


@dataclass(frozen=True)
class CleanSettings:
    """What is taken from the `clean` prompt's run into that of the `corrupt` one."""

    KEYS: ClassVar[tuple[str, ...]] = ("clean", "corrupt", "part")

    clean: str = _CLEAN
    corrupt: str = _CORRUPT
    part: Part = "experts"

    def to_query(self) -> dict[str, str]:
        """Query parameters; what has its default value is left out."""
        usual = CleanSettings()
        return {
            key: getattr(self, key)
            for key in self.KEYS
            if getattr(self, key) != getattr(usual, key)
        }

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> Self:
        """The settings a URL names; what makes no sense in it counts as left out."""
        return cls(
            clean=query.get("clean", _CLEAN)[:LONGEST],
            corrupt=query.get("corrupt", _CORRUPT)[:LONGEST],
            part=next((part for part in PARTS if part == query.get("part")), "experts"),
        )
