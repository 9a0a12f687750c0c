"""What a person looks at: one value for the whole application, and its form in the URL.

Pure: knows neither the session nor the widgets. `url.py` keeps the one in force.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import ClassVar, NamedTuple

from olmoe_viz.models.catalogue import BUNDLED, Entry
from olmoe_viz.models.offered import offered
from olmoe_viz.numerics.geometry import Geometry
from olmoe_viz.policy import WEIGHTINGS, RoutingPolicy, Weighting
from olmoe_viz.requests import ChatMessage, Text

EXAMPLE_PROMPT = "Once upon a time there was a little robot who"
# Browsers and mail programs cut links at about 2,000 characters; a longer prompt stays out.
LINK_PROMPT = 1_200
_LARGEST_INDEX = 1_000_000
_KEYS = {
    "model": "model",
    "prompt": "prompt",
    "k": "k",
    "against": "against",
    "weighting": "weights",
    "layer": "layer",
    "token": "token",
    "expert": "expert",
    "chat_template": "template",
}
_OFF = "off"


class Expert(NamedTuple):
    """An expert: one id in two layers is two experts."""

    layer: int
    id: int


@dataclass(frozen=True)
class Selection:
    """The model, the text, the two ks with their weighting, and the place looked at.

    `layer` counts all blocks of the model from 0. `token` None means the last token of the prompt,
    `expert` None that no expert is followed. Numbers may lie outside what a model or a prompt has
    until `within` is asked. `chat_template` counts for models that were tuned on conversations.
    """

    KEYS: ClassVar[tuple[str, ...]] = tuple(_KEYS.values())

    model: str = BUNDLED
    prompt: str = EXAMPLE_PROMPT
    k: int = 8
    against: int = 16
    weighting: Weighting = "native"
    layer: int = 7
    token: int | None = None
    expert: Expert | None = None
    chat_template: bool = True

    @classmethod
    def start(cls, model: Entry) -> "Selection":
        """What is shown of a model first: as it was trained, against twice as many experts."""
        return cls(
            model=model.name,
            k=model.trained_k,
            against=min(2 * model.trained_k, model.experts),
            layer=(model.layers - 1) // 2,
        )

    @property
    def text(self) -> Text:
        """What is read: the prompt, or in the model's chat template a message."""
        chat = self.chat_template and entry(self.model).chat
        return ChatMessage(self.prompt) if chat else self.prompt

    @property
    def policy(self) -> RoutingPolicy:
        """How the prompt is routed."""
        return RoutingPolicy(self.k, self.weighting)

    @property
    def against_policy(self) -> RoutingPolicy:
        """How the comparison is routed: the second k under the same weighting."""
        return RoutingPolicy(self.against, self.weighting)

    def within(self, geometry: Geometry, tokens: int) -> "Selection":
        """The nearest selection that exists in a trace of these sizes.

        `token` becomes a number, `layer` one of the layers of experts.
        """
        token = tokens - 1 if self.token is None else min(self.token, tokens - 1)
        expert = self.expert and Expert(
            _nearest(self.expert.layer, geometry), min(self.expert.id, geometry.experts - 1)
        )
        return replace(
            self.with_ks(geometry.experts),
            layer=_nearest(self.layer, geometry),
            token=token,
            expert=expert,
        )

    def with_ks(self, experts: int) -> "Selection":
        """The same with ks that a layer of so many experts can have."""
        return replace(self, k=min(self.k, experts), against=min(self.against, experts))

    @property
    def prompt_fits_link(self) -> bool:
        """Whether a link can carry the prompt."""
        return len(self.prompt) <= LINK_PROMPT

    def to_query(self) -> dict[str, str]:
        """Query parameters of the URL; what has its default value is left out."""
        start = replace(Selection.start(entry(self.model)), model=BUNDLED)
        query = {
            _KEYS[field.name]: _in_query(value)
            for field in fields(self)
            if (value := getattr(self, field.name)) != getattr(start, field.name)
        }
        if not self.prompt_fits_link:
            query.pop(_KEYS["prompt"], None)
        return query

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> "Selection":
        """The selection a URL names; what makes no sense in it counts as left out."""
        model = entry(query.get(_KEYS["model"], ""))
        start = cls.start(model)
        return replace(
            start,
            prompt=query.get(_KEYS["prompt"], "") or start.prompt,
            k=_number(query, "k", 1, model.experts, start.k),
            against=_number(query, "against", 1, model.experts, start.against),
            weighting=_weighting(query.get(_KEYS["weighting"], "")),
            layer=_number(query, "layer", 0, _LARGEST_INDEX, start.layer),
            token=_optional(query, "token"),
            expert=_expert(query.get(_KEYS["expert"], "")),
            chat_template=query.get(_KEYS["chat_template"]) != _OFF,
        ).with_ks(model.experts)


def entry(name: str) -> Entry:
    """The model of that name, else the bundled one.

    Only models that are offered: a link must not make the server fetch or open anything else.
    """
    known = {each.name: each for each in offered()}
    return known.get(name, known[BUNDLED])


def _nearest(layer: int, geometry: Geometry) -> int:
    return min(geometry.layer_ids, key=lambda each: abs(each - layer))


def _in_query(value: object) -> str:
    if isinstance(value, Expert):
        return f"{value.layer}.{value.id}"
    return _OFF if value is False else str(value)


def _expert(text: str) -> Expert | None:
    named = re.fullmatch(r"([0-9]{1,6})\.([0-9]{1,6})", text)
    return named and Expert(int(named[1]), int(named[2]))


def _weighting(text: str) -> Weighting:
    return next((w for w in WEIGHTINGS if w == text), "native")


def _optional(query: Mapping[str, str], name: str) -> int | None:
    number = _number(query, name, 0, _LARGEST_INDEX, -1)
    return None if number < 0 else number


def _number(query: Mapping[str, str], name: str, low: int, high: int, default: int) -> int:
    text = query.get(_KEYS[name], "")
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        return default
    return int(text) if low <= int(text) <= high else default
