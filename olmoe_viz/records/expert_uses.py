"""What the experts of a model are used for: the kind of text that prefers each of them most.

Measured on held-out text, and recorded for the bundled model only. A record of which weights it was
measured on comes with it, so that no other model's experts are named after it.
"""

import csv
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import olmoe_viz

NONE = -1
LEAST = 2.0  # times as much as by chance; with less an expert is used for nothing in particular
# Where it is not that of the table.
DOMAIN_NAMES = {
    "math_latex": "LaTeX",
    "python": "Python",
    "french": "French",
    "german": "German",
    "spanish": "Spanish",
}
_DATA = Path(olmoe_viz.__file__).parent / "data"


@dataclass(frozen=True, eq=False)
class ExpertUses:
    """The domain that prefers each expert most.

    `domains` are their names, `by_domain` is float64 [blocks, experts, domains]: how much of the
    tokens of a domain the expert gets (arXiv 2409.02060, equation 7). `preferred` is int8
    [blocks, experts], the place among the domains of the one that prefers it most, or `NONE` where
    that is not enough.
    """

    domains: tuple[str, ...]
    by_domain: NDArray[np.float64]
    preferred: NDArray[np.int8]

    def most_used(self, domain: str, layer: int, count: int) -> tuple[int, ...]:
        """The ids of the experts that a domain uses most in a layer, most used first."""
        shares = self.by_domain[layer, :, self.domains.index(domain)]
        return tuple(np.argsort(-shares, kind="stable")[:count].tolist())

    def words(self, expert: int, layer: int) -> str:
        """What an expert is used for, as a line of a hover card."""
        domain = self.preferred[layer, expert]
        if domain == NONE:
            return "used for no kind of text in particular"
        share = self.by_domain[layer, expert, domain]
        return f"used most for {self.domains[domain]}: {share:.0%} of it"


def readable_domain(domain: str) -> str:
    """A domain's name for people."""
    return DOMAIN_NAMES.get(domain, domain)


def uses_of(shares: NDArray[np.float64], domains: tuple[str, ...]) -> ExpertUses:
    """What experts are used for, by the shares of each domain's tokens that they get.

    From [blocks, experts, domains]. In a layer the shares of a domain sum to k, so that chance is
    the mean of all.
    """
    enough = shares.max(axis=-1) >= LEAST * shares.mean()
    preferred = np.where(enough, shares.argmax(axis=-1), NONE).astype(np.int8)
    return ExpertUses(domains, shares, preferred)


def recorded_uses(digest: str) -> ExpertUses | None:
    """What is recorded of the weights with this digest; None where nothing is."""
    measured, uses = _bundled()
    return uses if digest == measured else None


@cache
def _bundled() -> tuple[str, ExpertUses]:
    """The digest of the bundled model's weights, and its table of experts, a row each in order."""
    measured = json.loads((_DATA / "measured.json").read_text(encoding="utf-8"))
    with (_DATA / "experts.csv").open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    blocks = int(rows[-1][0]) + 1
    shares = np.array([row[2:] for row in rows], dtype=np.float64)
    shares = shares.reshape(blocks, len(rows) // blocks, -1)
    return measured["digest"], uses_of(shares, tuple(map(readable_domain, head[2:])))
