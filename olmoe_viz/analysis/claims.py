"""What is claimed about taking experts away, measured on the bundled model and kept as a table."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import olmoe_viz
from olmoe_viz import json_form

RECORDED = Path(olmoe_viz.__file__).parent / "data" / "claims.json"

Claim = Literal["weight", "pruning", "strongest", "least_used"]


@dataclass(frozen=True)
class Figure:
    """One measured figure of a claim, with a 95 % interval over documents.

    - "weight": Spearman's rank correlation of routing weight and effect (KL), in the layer
      `setting`, or in all where that is "all".
    - "pruning": bits per byte above the trained setting when experts with a router probability
      below `setting` do not run.
    - "strongest": the same when the `setting` experts of all layers with the most weight cannot be
      chosen; `rule` "random" has as many others of the same layers.
    - "least_used": the same when the `setting` least used experts of all layers are off.

    `rule` is the rule for lost mass, or "random".
    """

    claim: Claim
    setting: str
    rule: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Quoted:
    """What others have published on a claim about the real model, and where."""

    claim: Claim
    words: str
    source: str


@dataclass(frozen=True)
class Claims:
    """All figures, and what they were measured on.

    `bits_per_byte` is that of the trained setting on the text; effects are of a part of it,
    `effects` experts in their cells. `share` is the part of the experts that ran which the lowest
    to the highest threshold of "pruning" leave out, in the order of the figures.
    """

    digest: str
    date: str
    documents: int
    tokens: int
    effects: int
    seed: int
    bits_per_byte: float
    shares: tuple[float, ...]
    figures: tuple[Figure, ...]
    quoted: tuple[Quoted, ...]

    def of(self, claim: Claim) -> tuple[Figure, ...]:
        """Return the figures of a claim, in the order of their measurement."""
        return tuple(figure for figure in self.figures if figure.claim == claim)


def load(path: Path = RECORDED) -> Claims:
    """Read recorded figures; ValueError for a file that holds none, OSError."""
    found: Claims = json_form.decode(Claims, json.loads(path.read_text("utf-8")))
    return found


def save(claims: Claims, path: Path = RECORDED) -> None:
    """Write figures; OSError from the file system."""
    path.write_text(json.dumps(json_form.encode(claims), indent=1) + "\n", "utf-8")
