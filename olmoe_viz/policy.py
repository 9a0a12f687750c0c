"""How experts are chosen and weighted in one request.

Knows nothing about any model: the numbers of layers and experts are passed in where they matter.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from operator import index
from typing import Literal, SupportsIndex, get_args

from olmoe_viz.interventions import LOST_MASS, Intervention, LostMass, check_together, most_experts

Weighting = Literal["native", "renormalized", "gain_anchored"]
WEIGHTINGS: tuple[Weighting, ...] = get_args(Weighting)

_K = r"k=(?P<k>[0-9]{1,9}(?:-[0-9]{1,9})*)(?P<single>-?)"
_THRESHOLD = r"p>=(?P<threshold>[0-9]+(?:\.[0-9]+)?(?:e-?[0-9]{1,3})?)"
_TEXT = re.compile(
    rf"(?:{_K}(?:,{_THRESHOLD})?|{_THRESHOLD.replace('threshold', 'alone')})(?:,w=(?P<w>[a-z_-]+))?"
    r"(?P<interventions>(?:,[a-z_]+:[^,]*)*)(?:,mass=(?P<mass>[a-z]+))?"
)


@dataclass(frozen=True)
class RoutingPolicy:
    """The experts of every token, and their weights.

    First k, threshold and weighting choose and weigh, then the `interventions` act, then the rule
    for `lost_mass`: see `families/gate.py: intervene`. Only the weights that an intervention
    changed come under that rule. With W the sum that the policy gave the token without them,

    - drop: nothing replaces what is lost, as in OLMoE;
    - restore: the weights are scaled to sum to W;
    - renormalize: they are scaled to sum to 1.

    `k` is one number for all layers, or a tuple with one number per layer of experts. Of the k
    experts of a token only those with a router probability of at least `threshold` are kept, and
    always the strongest; with k None there is no limit but the threshold. With router
    probabilities p, M the sum over the experts kept and M_k0 over the k0 strongest, k0 the trained
    k, expert i of those kept weighs

    - native: p_i, as OLMoE was trained (arXiv 2409.02060, section 2);
    - renormalized: p_i / M, so that the weights sum to 1;
    - gain_anchored: p_i * M_k0 / M, so that they sum to what the trained k gives. "gain-anchored",
      as people write it, is accepted and stored as this.

    Raises ValueError for a k below 1, a threshold outside 0 to 1, neither of the two, an unknown
    weighting or rule, and interventions that cannot be done together.
    """

    k: int | tuple[int, ...] | None = None
    weighting: Weighting = "native"
    threshold: float = 0.0
    interventions: tuple[Intervention, ...] = ()
    lost_mass: LostMass = "drop"

    def __post_init__(self) -> None:
        if self.k is not None:
            object.__setattr__(self, "k", _whole_numbers(self.k))
            if min(self._listed(), default=0) < 1:
                raise ValueError(f"k must be at least 1 in every layer; it is {self.k}.")
        number = isinstance(self.threshold, int | float) and not isinstance(self.threshold, bool)
        if not number or not 0 <= self.threshold <= 1:
            raise ValueError(f"The threshold must be from 0 to 1; it is {self.threshold!r}.")
        object.__setattr__(self, "threshold", float(self.threshold))
        if self.k is None and self.threshold == 0:
            raise ValueError("A policy needs a k, or a threshold above 0.")
        object.__setattr__(self, "weighting", _weighting(self.weighting))
        object.__setattr__(self, "interventions", tuple(self.interventions))
        if not all(isinstance(each, Intervention) for each in self.interventions):
            raise ValueError("The interventions must be a tuple of `Intervention`.")
        check_together(self.interventions)
        if self.lost_mass not in LOST_MASS:
            raise ValueError(
                f"The lost mass is one of {', '.join(LOST_MASS)}; not {self.lost_mass!r:.60}."
            )

    def ks(self, layers: int, experts: int) -> tuple[int, ...]:
        """Return the most experts of a token in each layer; ValueError when they do not fit.

        Without a k that is every expert. A tuple must have one number for each layer, and none may
        be above `experts`.
        """
        ks = (experts,) * layers if self.k is None else self._listed()
        if isinstance(self.k, int):
            ks *= layers
        if len(ks) != layers:
            raise ValueError(
                f"The policy has a k for each of {len(ks)} layers, the model has {layers}."
            )
        if max(ks) > experts:
            raise ValueError(f"k must be from 1 to {experts}; it is {max(ks)}.")
        return ks

    def widths(self, layer_ids: Sequence[int], experts: int) -> tuple[int, ...]:
        """Return the most experts of a token in each layer, with those that interventions add.

        `layer_ids` are the layers of experts, counted over all blocks. ValueError as `ks`, and for
        interventions on what is not there.
        """
        ks = self.ks(len(layer_ids), experts)
        if not self.interventions:
            return ks
        for each in self.interventions:
            unknown = set(each.layers or ()) - set(layer_ids)
            if unknown:
                raise ValueError(f"{each} is for layer {min(unknown)}, which has no experts.")
        return tuple(
            most_experts(self.interventions, layer, k, experts)
            for layer, k in zip(layer_ids, ks, strict=True)
        )

    def __str__(self) -> str:
        """Write the policy for a URL: `k=16`, `k=8,p>=0.03`, `p>=0.03`, `k=8-8-16,w=renormalized`.

        A tuple of a single layer ends in a hyphen, `k=8-`, which tells it from the number.
        Interventions follow, and what becomes of lost mass: `k=8,off:7.20,mass=restore`.
        """
        parts = []
        if self.k is not None:
            single = isinstance(self.k, tuple) and len(self.k) == 1
            parts.append(f"k={'-'.join(map(str, self._listed()))}{'-' if single else ''}")
        if self.threshold > 0:
            parts.append(f"p>={self.threshold!r}")
        if self.weighting != "native":
            parts.append(f"w={self.weighting}")
        parts += map(str, self.interventions)
        if self.lost_mass != "drop":
            parts.append(f"mass={self.lost_mass}")
        return ",".join(parts)

    @classmethod
    def parse(cls, text: str) -> "RoutingPolicy":
        """Read what `str` writes; ValueError with the expected form for anything else."""
        match = _TEXT.fullmatch(text)
        if match is None or (match["single"] and "-" in match["k"]):
            raise ValueError(
                f"Not a routing policy: {text[:60]!r}. Write k=16, k=16,w=renormalized, "
                "k=8,p>=0.03, p>=0.03 or one number per layer, k=8-8-16; then interventions, as in "
                "k=8,off:7.20,mass=restore."
            )
        ks = tuple(map(int, match["k"].split("-"))) if match["k"] else ()
        k = ks if len(ks) > 1 or match["single"] else next(iter(ks), None)
        threshold = float(match["threshold"] or match["alone"] or 0)
        return cls(
            k,
            _weighting(match["w"] or "native"),
            threshold,
            tuple(map(Intervention.parse, match["interventions"].split(",")[1:])),
            match["mass"] or "drop",  # type: ignore[arg-type]
        )

    def _listed(self) -> tuple[int, ...]:
        if self.k is None:
            return ()
        return (self.k,) if isinstance(self.k, int) else self.k


def one_k(policies: Sequence[RoutingPolicy]) -> bool:
    """Whether every policy is a single k for all layers, without threshold and interventions."""
    return all(
        isinstance(policy.k, int) and policy.threshold == 0 and not policy.interventions
        for policy in policies
    )


def _whole_numbers(k: object) -> int | tuple[int, ...]:
    """Accept Python's and numpy's integers, but neither booleans nor rounded fractions."""
    values = k if isinstance(k, tuple) else (k,)
    if not all(isinstance(v, SupportsIndex) and not isinstance(v, bool) for v in values):
        raise ValueError(f"k must be a whole number, or a tuple with one per layer; it is {k!r}.")
    numbers = tuple(index(value) for value in values)
    if max(numbers, default=0) >= 10**9:
        raise ValueError("k must be below one billion.")
    return numbers if isinstance(k, tuple) else numbers[0]


def _weighting(written: object) -> Weighting:
    name = written.replace("-", "_") if isinstance(written, str) else written
    for weighting in WEIGHTINGS:
        if weighting == name:
            return weighting
    raise ValueError(
        f"The weighting must be one of {', '.join(WEIGHTINGS)}; it is {repr(written)[:62]}."
    )
