"""How many experts, how sure, and which of them: the routing that Lab measures; and its link.

Pure: knows neither the session nor the widgets.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Self

from olmoe_viz.interventions import Intervention, LostMass
from olmoe_viz.numerics.geometry import Geometry
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.records.expert_uses import ExpertUses

FLOORS = (0.0, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2)
_MOST_LAYERS = 256


@dataclass(frozen=True)
class FewerSettings:
    """A k for each layer, the least probability of an expert, and the domain whose experts stay.

    Without `ks` every layer has the k of the frame. With a `domain` only the `kept` experts that it
    uses most can be chosen in a layer.
    """

    KEYS: ClassVar[tuple[str, ...]] = ("layer_ks", "floor", "domain", "kept")

    ks: tuple[int, ...] = ()
    floor: float = 0.0
    domain: str = ""
    kept: int = 16

    def within(self, geometry: Geometry, uses: ExpertUses | None) -> Self:
        """The settings with only what a model of these sizes and recorded uses has."""
        fits = len(self.ks) == len(geometry.layer_ids) and max(self.ks) <= geometry.experts
        known = uses is not None and self.domain in uses.domains
        return replace(
            self,
            ks=self.ks if fits else (),
            domain=self.domain if known else "",
            kept=min(self.kept, geometry.experts),
        )

    def policy(
        self,
        base: RoutingPolicy,
        geometry: Geometry,
        uses: ExpertUses | None,
        lost_mass: LostMass = "drop",
    ) -> RoutingPolicy:
        """What is measured; `base` is the run's. Equal ks are written as one."""
        k = self.ks[0] if len(set(self.ks)) == 1 else self.ks or base.k
        policy = RoutingPolicy(k, base.weighting, self.floor)
        if not self.domain or uses is None:
            return policy
        kept = tuple(
            Intervention("keep_only", (layer,), uses.most_used(self.domain, layer, self.kept))
            for layer in geometry.layer_ids
        )
        return replace(policy, interventions=kept, lost_mass=lost_mass)

    def to_query(self) -> dict[str, str]:
        """Query parameters; what has its default value is left out."""
        query = {
            "layer_ks": "-".join(map(str, self.ks)),
            "floor": f"{self.floor:g}" if self.floor else "",
            "domain": self.domain,
            "kept": str(self.kept) if self.kept != FewerSettings.kept else "",
        }
        return {key: value for key, value in query.items() if value}

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> Self:
        """The settings a URL names; what makes no sense in it counts as left out."""
        ks = re.fullmatch(r"[0-9]{1,3}(?:-[0-9]{1,3})*", query.get("layer_ks", "")[:1_000])
        numbers = tuple(map(int, ks[0].split("-"))) if ks else ()
        kept = re.fullmatch(r"[0-9]{1,3}", query.get("kept", ""))
        return cls(
            ks=numbers if len(numbers) <= _MOST_LAYERS and min(numbers, default=0) > 0 else (),
            floor=_floor(query.get("floor", "")),
            domain=query.get("domain", "")[:40],
            kept=max(int(kept[0]), 1) if kept else cls.kept,
        )


def stops(experts: int, others: tuple[int, ...] = ()) -> list[int]:
    """The numbers of experts that a slider has: all up to 8, then four for each doubling."""
    steady = {n for n in range(1, experts + 1) if n % (1 << max(n.bit_length() - 3, 0)) == 0}
    return sorted(steady | {experts} | {n for n in others if 1 <= n <= experts})


def _floor(text: str) -> float:
    if not re.fullmatch(r"0?\.[0-9]{1,6}", text):
        return 0.0
    return float(text)
