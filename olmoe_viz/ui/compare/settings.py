"""What Compare is asked for: its columns, its sampling, what is looked at; and the form in a link.

Knows nothing about streamlit or torch.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import ClassVar

from olmoe_viz.models.catalogue import Entry
from olmoe_viz.policy import RoutingPolicy, one_k
from olmoe_viz.ui.compare.column_policies import FEWEST, MOST, fit
from olmoe_viz.ui.session.selection import entry

Pair = tuple[int, int]  # indices of columns, the smaller k first
MOST_TOKENS = 512
_KEYS = {
    "policies": "columns",
    "new_tokens": "tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "seed": "seed",
    "reference": "reference",
    "pair": "pair",
    "generate": "generate",
}
_PLAIN = ("new_tokens", "temperature", "top_p", "seed", "reference")  # written as they are


@dataclass(frozen=True)
class Settings:
    """How texts are generated, and which of them are looked at.

    `policies` empty means that the frame's ks decide, `reference` None that the others are compared
    with the column of the trained k, `pair` None that the first two columns that part are taken for
    what the extra experts added. `generate` is for links: with it the page writes without a press.
    """

    KEYS: ClassVar[tuple[str, ...]] = tuple(_KEYS.values())

    policies: tuple[RoutingPolicy, ...] = ()
    new_tokens: int = 80
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    reference: int | None = None
    pair: Pair | None = None
    generate: bool = False

    @property
    def sampling(self) -> tuple[float, ...]:
        """What decides the texts of given columns."""
        return self.new_tokens, self.temperature, self.top_p, self.seed

    def to_query(self) -> dict[str, str]:
        """Query parameters; what has its default value is left out."""
        query = {
            _KEYS[f.name]: str(value)
            for f in fields(self)
            if f.name in _PLAIN and (value := getattr(self, f.name)) != f.default
        }
        if self.policies:
            query[_KEYS["policies"]] = "~".join(map(str, self.policies))
        if self.pair:
            query[_KEYS["pair"]] = "{}-{}".format(*self.pair)
        if self.generate:
            query[_KEYS["generate"]] = "1"
        return query

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> "Settings":
        """The settings a URL names; what makes no sense in it counts as left out."""
        return cls(
            policies=_policies(query.get(_KEYS["policies"], ""), entry(query.get("model", ""))),
            new_tokens=int(_within(query, "new_tokens", 1, MOST_TOKENS, 80)),
            temperature=_within(query, "temperature", 0.0, 2.0, 0.0),
            top_p=_within(query, "top_p", 0.05, 1.0, 1.0),
            seed=int(_within(query, "seed", 0, 2**31 - 1, 0)),
            reference=_place(query),
            pair=_pair(query.get(_KEYS["pair"], "")),
            generate=query.get(_KEYS["generate"]) == "1",
        )


def _policies(text: str, model: Entry) -> tuple[RoutingPolicy, ...]:
    """Two to six policies with one k each that the model has, and no threshold; or none."""
    try:
        policies = tuple(RoutingPolicy.parse(part) for part in text[:400].split("~"))
    except ValueError:
        return ()
    shown = FEWEST <= len(policies) <= MOST and one_k(policies) and fit(policies, model.experts)
    return policies if shown else ()


def _place(query: Mapping[str, str]) -> int | None:
    """The index of a column, or none."""
    number = int(_within(query, "reference", 0, MOST - 1, -1))
    return None if number < 0 else number


def _pair(text: str) -> Pair | None:
    """The indices of two columns, or none."""
    found = re.fullmatch("([0-9])-([0-9])", text)
    if found is None:
        return None
    small, large = int(found[1]), int(found[2])
    return (small, large) if small != large and max(small, large) < MOST else None


def _within(query: Mapping[str, str], name: str, low: float, high: float, default: float) -> float:
    try:
        number = float(query.get(_KEYS[name], ""))
    except ValueError:
        return default
    return number if low <= number <= high else default
