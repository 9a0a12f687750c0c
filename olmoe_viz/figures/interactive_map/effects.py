"""What was measured in the cells of a routing map by taking experts away.

Few cells are measured, so only these are sent: a bit for each cell says which.
"""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.figures.interactive_map import packing

LEAST = 1e-7  # nats; what is less counts as this: sums in float32 are no finer


@dataclass(frozen=True, eq=False)
class CellEffects:
    """The expert that mattered most in each cell, and what taking it away changed.

    `kl` is float64 [layers, tokens], in nats, not a number where nothing was measured; `experts`
    int64 [layers, tokens] are the ids, -1 there.
    """

    kl: NDArray[np.float64]
    experts: NDArray[np.int64]

    @property
    def measured(self) -> NDArray[np.bool_]:
        """Where something was, bool [layers, tokens]."""
        return np.asarray(self.experts >= 0)

    @property
    def digest(self) -> bytes:
        """A digest of both arrays."""
        return hashlib.blake2b(self.kl.tobytes() + self.experts.tobytes()).digest()

    def span(self) -> tuple[float, float]:
        """Return the ends of the scale, which is logarithmic, in two digits; 0 and 0 for none."""
        found = np.maximum(self.kl[self.measured], LEAST)
        if not found.size:
            return 0.0, 0.0
        return _two_digits(float(found.min()), math.floor), _two_digits(
            float(found.max()), math.ceil
        )

    def sent(self) -> dict[str, str]:
        """Return what the browser gets."""
        where = packing.by_token(self.measured)
        kl, experts = (packing.by_token(each)[where] for each in (self.kl, self.experts))
        return {
            "marks": packing.bits(self.measured),
            "experts": packing.text(experts.astype(np.uint8)),
            "values": packing.text(np.maximum(kl, LEAST).astype("<f4")),
        }


def _two_digits(value: float, rounded: Callable[[float], int]) -> float:
    step = 10.0 ** (math.floor(math.log10(value)) - 1)
    return float(f"{rounded(round(value / step, 9)) * step:.2g}")
