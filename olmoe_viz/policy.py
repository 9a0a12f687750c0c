"""How experts are chosen and weighted in one request.

Knows nothing about any model: the numbers of layers and experts are passed in where they matter.
"""

import re
from dataclasses import dataclass
from operator import index
from typing import Literal, SupportsIndex, get_args

Weighting = Literal["native", "renormalized", "gain_anchored"]
WEIGHTINGS: tuple[Weighting, ...] = get_args(Weighting)

_TEXT = re.compile(r"k=([0-9]{1,9}(?:-[0-9]{1,9})*)(-?)(?:,w=([a-z_]+))?")


@dataclass(frozen=True)
class RoutingPolicy:
    """The k experts of every token, and their weights.

    `k` is one number for all layers, or a tuple with one number per layer. With router
    probabilities p, M_k the sum of the k largest and k0 the trained k, expert i of the k weighs

    - native: p_i, as OLMoE was trained (arXiv 2409.02060, section 2);
    - renormalized: p_i / M_k, so that the weights sum to 1;
    - gain_anchored: p_i * M_k0 / M_k, so that they sum to what the trained k gives.

    Raises ValueError for a k below 1 and for an unknown weighting.
    """

    k: int | tuple[int, ...]
    weighting: Weighting = "native"

    def __post_init__(self) -> None:
        object.__setattr__(self, "k", _whole_numbers(self.k))
        if min(self._listed(), default=0) < 1:
            raise ValueError(f"k must be at least 1 in every layer; it is {self.k}.")
        if self.weighting not in WEIGHTINGS:
            raise ValueError(
                f"The weighting must be one of {', '.join(WEIGHTINGS)}; it is {self.weighting!r}."
            )

    def ks(self, layers: int) -> tuple[int, ...]:
        """Return one k per layer; ValueError when a tuple has another number of layers."""
        if isinstance(self.k, int):
            return (self.k,) * layers
        if len(self.k) != layers:
            raise ValueError(
                f"The policy has a k for each of {len(self.k)} layers, the model has {layers}."
            )
        return self.k

    def check(self, layers: int, experts: int) -> None:
        """Raise ValueError unless every k is from 1 to `experts` and there is one per layer."""
        for k in self.ks(layers):
            if k > experts:
                raise ValueError(f"k must be from 1 to {experts}; it is {k}.")

    def __str__(self) -> str:
        """Write the policy for a URL: `k=16`, `k=16,w=renormalized`, `k=8-8-16`.

        A tuple of a single layer ends in a hyphen, `k=8-`, which tells it from the number.
        """
        numbers = "-".join(map(str, self._listed()))
        single = isinstance(self.k, tuple) and len(self.k) == 1
        weighting = "" if self.weighting == "native" else f",w={self.weighting}"
        return f"k={numbers}{'-' if single else ''}{weighting}"

    @classmethod
    def parse(cls, text: str) -> "RoutingPolicy":
        """Read what `str` writes; ValueError with the expected form for anything else."""
        match = _TEXT.fullmatch(text)
        if match is None or (match[2] and "-" in match[1]):
            raise ValueError(
                f"Not a routing policy: {text[:60]!r}. Write k=16, k=16,w=renormalized "
                "or one number per layer, k=8-8-16."
            )
        ks = tuple(map(int, match[1].split("-")))
        weighting = _named(match[3] or "native")
        return cls(ks if len(ks) > 1 or match[2] else ks[0], weighting)

    def _listed(self) -> tuple[int, ...]:
        return (self.k,) if isinstance(self.k, int) else self.k


def _whole_numbers(k: object) -> int | tuple[int, ...]:
    """Accept Python's and numpy's integers, but neither booleans nor rounded fractions."""
    values = k if isinstance(k, tuple) else (k,)
    if not all(isinstance(v, SupportsIndex) and not isinstance(v, bool) for v in values):
        raise ValueError(f"k must be a whole number, or a tuple with one per layer; it is {k!r}.")
    numbers = tuple(index(value) for value in values)
    if max(numbers, default=0) >= 10**9:
        raise ValueError("k must be below one billion.")
    return numbers if isinstance(k, tuple) else numbers[0]


def _named(text: str) -> Weighting:
    for weighting in WEIGHTINGS:
        if weighting == text:
            return weighting
    raise ValueError(f"The weighting must be one of {', '.join(WEIGHTINGS)}; it is {text[:60]!r}.")
