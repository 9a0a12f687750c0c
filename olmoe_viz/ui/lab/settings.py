"""What is done to the experts on Lab, and its form in a link.

Pure: knows neither the session nor the widgets.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self, get_args

from olmoe_viz.interventions import LOST_MASS, Intervention, LostMass
from olmoe_viz.numerics.geometry import Geometry
from olmoe_viz.policy import RoutingPolicy

Hand = Literal["off", "route_around", "force", "bias"]
HANDS: tuple[Hand, ...] = get_args(Hand)
Color = Literal["probability", "effect"]
COLORS: tuple[Color, ...] = get_args(Color)
MOST = 64  # interventions; a link with more would be cut
_LONGEST = 4_000  # characters of a link that are read


@dataclass(frozen=True)
class LabSettings:
    """The interventions in force, the rule for lost mass, and what a click does.

    `hand` is what a click on an expert does to it; "bias" adds `push` to its router logit. `color`
    is what the cells of the grid show.
    """

    KEYS: ClassVar[tuple[str, ...]] = ("do", "mass", "hand", "push", "grid")

    interventions: tuple[Intervention, ...] = ()
    lost_mass: LostMass = "drop"
    hand: Hand = "off"
    push: float = 2.0
    color: Color = "probability"

    def clicked(self, layer: int, expert: int) -> Self:
        """The settings after a click on an expert: done to it, or taken back where it was done."""
        amount = self.push if self.hand == "bias" else 0.0
        wanted = Intervention(self.hand, (layer,), (expert,), amount=amount)
        others = tuple(
            each
            for each in self.interventions
            if (each.layers, each.experts, each.tokens) != ((layer,), (expert,), "all")
        )
        done = wanted in self.interventions or len(others) >= MOST
        return replace(self, interventions=others if done else (*others, wanted))

    def without(self, intervention: Intervention) -> Self:
        """The settings with one of the interventions taken back."""
        rest = tuple(each for each in self.interventions if each != intervention)
        return replace(self, interventions=rest)

    def within(self, geometry: Geometry) -> Self:
        """The settings with only what a model of these sizes has."""
        there = [each for each in self.interventions if _fits(each, geometry)]
        return replace(self, interventions=tuple(there))

    def policy(self, base: RoutingPolicy) -> RoutingPolicy:
        """How the changed run is routed; `base` where nothing is done."""
        if not self.interventions:
            return base
        return replace(base, interventions=self.interventions, lost_mass=self.lost_mass)

    def to_query(self) -> dict[str, str]:
        """Query parameters; what has its default value is left out."""
        query = {
            "do": ",".join(map(str, self.interventions)),
            "mass": self.lost_mass,
            "hand": self.hand,
            "push": f"{self.push:g}",
            "grid": self.color,
        }
        usual = {"do": "", "mass": "drop", "hand": "off", "push": "2", "grid": "probability"}
        return {key: value for key, value in query.items() if value != usual[key]}

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> Self:
        """The settings a URL names; what makes no sense in it counts as left out."""
        return cls(
            interventions=_interventions(query.get("do", "")),
            lost_mass=next((rule for rule in LOST_MASS if rule == query.get("mass")), "drop"),
            hand=next((hand for hand in HANDS if hand == query.get("hand")), "off"),
            push=_push(query.get("push", "")),
            color=next((color for color in COLORS if color == query.get("grid")), "probability"),
        )


def _interventions(text: str) -> tuple[Intervention, ...]:
    if not text or len(text) > _LONGEST:
        return ()
    try:
        found = tuple(map(Intervention.parse, text.split(",")[:MOST]))
        RoutingPolicy(1, interventions=found)  # whether they can be done together
    except ValueError:
        return ()
    return tuple(dict.fromkeys(found))


def _push(text: str) -> float:
    try:
        push = float(text[:8])
    except ValueError:
        return LabSettings.push
    return push if -8 <= push <= 8 else LabSettings.push


def _fits(intervention: Intervention, geometry: Geometry) -> bool:
    try:
        RoutingPolicy(1, interventions=(intervention,)).widths(geometry.layer_ids, geometry.experts)
    except ValueError:
        return False
    return True
