"""What the pages let a person set besides the selection, and its form in the URL.

Pure: knows neither the session nor the widgets. `url.py` keeps the ones in force. What Compare is
asked for has a record of its own, in `compare/settings.py`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple, Self, get_args

from olmoe_viz.figures.interactive_map.payload import VIEWS, View

Order = Literal["probability", "expert"]
ORDERS: tuple[Order, ...] = get_args(Order)
_LONGEST = 40  # characters of the name of a domain
_RANGE = re.compile(r"([0-9]{1,6})-([0-9]{1,6})~([0-9]{1,6})-([0-9]{1,6})")


class Range(NamedTuple):
    """Cells of the map from a first to a last token and layer, all inclusive."""

    token: int
    layer: int
    last_token: int
    last_layer: int


@dataclass(frozen=True)
class MapSettings:
    """The color of the map's cells, the order of the bars below, and the range that is marked."""

    KEYS: ClassVar[tuple[str, ...]] = ("view", "order", "range")

    view: View = "strongest"
    order: Order = "probability"
    marked: Range | None = None

    def to_query(self) -> dict[str, str]:
        """Query parameters; what has its default value is left out."""
        query: dict[str, str] = {}
        if self.view != MapSettings.view:
            query["view"] = self.view
        if self.order != MapSettings.order:
            query["order"] = self.order
        if self.marked is not None:
            token, layer, last_token, last_layer = self.marked
            query["range"] = f"{token}-{last_token}~{layer}-{last_layer}"
        return query

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> Self:
        """The settings a URL names; what makes no sense in it counts as left out."""
        return cls(
            view=next((view for view in VIEWS if view == query.get("view")), cls.view),
            order=next((order for order in ORDERS if order == query.get("order")), cls.order),
            marked=_range(query.get("range", "")),
        )


@dataclass(frozen=True)
class FollowSettings:
    """The attention head whose whole map is open on Follow; None while it is folded."""

    KEYS: ClassVar[tuple[str, ...]] = ("head",)

    head: int | None = None

    def to_query(self) -> dict[str, str]:
        """Query parameters; nothing while the map is folded."""
        return {} if self.head is None else {"head": str(self.head)}

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> Self:
        """The settings a URL names; what makes no sense in it counts as left out."""
        named = re.fullmatch("[0-9]{1,3}", query.get("head", ""))
        return cls(int(named[0]) if named else None)


@dataclass(frozen=True)
class QualitySettings:
    """The domain whose measurements Quality shows, "all" for their mean."""

    KEYS: ClassVar[tuple[str, ...]] = ("quality_domain",)

    domain: str = "all"

    def to_query(self) -> dict[str, str]:
        """Query parameters; nothing for the mean."""
        return {} if self.domain == "all" else {"quality_domain": self.domain}

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> Self:
        """The domain a URL names; whether it was measured is seen where it is looked up."""
        return cls(query.get("quality_domain", "all")[:_LONGEST])


def _range(text: str) -> Range | None:
    """A range of more than one cell, or none."""
    found = _RANGE.fullmatch(text)
    if found is None:
        return None
    token, last_token, layer, last_layer = map(int, found.groups())
    grows = last_token >= token and last_layer >= layer
    several = (token, layer) != (last_token, last_layer)
    return Range(token, layer, last_token, last_layer) if grows and several else None
