"""What is done to chosen experts by hand: which, where, and what becomes of the lost weight.

Knows nothing about any model. `families/edits.py` turns interventions into numbers for each expert,
and `families/gate.py: intervene` applies them.
"""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from operator import index
from typing import Literal, SupportsIndex, get_args

What = Literal["off", "route_around", "force", "add", "swap", "bias", "keep_only"]
Phase = Literal["prompt", "generated"]
LostMass = Literal["drop", "restore", "renormalize"]
LOST_MASS: tuple[LostMass, ...] = get_args(LostMass)

_WHATS: tuple[What, ...] = get_args(What)
_SCOPES = ("all", *get_args(Phase))
_MOST = 99_999  # the largest number of a layer, an expert or a token
_NUMBERS = r"[0-9]{1,5}(?:-[0-9]{1,5})?(?:_[0-9]{1,5}(?:-[0-9]{1,5})?)*"
_AMOUNT = r"-?[0-9]+(?:\.[0-9]+)?(?:e[-+]?[0-9]{1,3})?"
_TEXT = re.compile(
    rf"(?P<what>[a-z_]+):(?P<layers>\*|{_NUMBERS})\.(?P<experts>{_NUMBERS})"
    rf"(?:~(?P<operand>{_AMOUNT}))?(?:@(?P<tokens>[a-z]+|{_NUMBERS}))?"
)


@dataclass(frozen=True)
class Intervention:
    """One thing done to some experts of some layers, for some tokens.

    - "off": the experts weigh 0 where they were chosen: what they contribute is missing.
    - "route_around": they cannot be chosen, and the next ones enter.
    - "force": they are chosen, in the place of the last ones.
    - "add": they are chosen, besides the others.
    - "swap": the weight of each goes to the expert `to`, which runs in its place.
    - "bias": `amount` is added to their router logits.
    - "keep_only": no others can be chosen.

    `layers` are counted over all blocks from 0, None for every layer; `experts` are ids. `tokens`
    is "all", those of the "prompt", those "generated", or a tuple of positions from 0. One number
    stands for a tuple of one. Raises ValueError for what does not fit together.
    """

    what: What
    layers: tuple[int, ...] | None
    experts: tuple[int, ...]
    tokens: Literal["all", "prompt", "generated"] | tuple[int, ...] = "all"
    to: int | None = None
    amount: float = 0.0

    def __post_init__(self) -> None:
        if self.what not in _WHATS:
            raise ValueError(f"An intervention is one of {', '.join(_WHATS)}.")
        if self.layers is not None:
            object.__setattr__(self, "layers", _numbers("layers", self.layers))
        object.__setattr__(self, "experts", _numbers("experts", self.experts))
        if not isinstance(self.tokens, str):
            object.__setattr__(self, "tokens", _numbers("tokens", self.tokens))
        elif self.tokens not in _SCOPES:
            raise ValueError(f"The tokens must be {', '.join(_SCOPES)}, or positions.")
        self._check_operand()

    def _check_operand(self) -> None:
        if (self.what == "swap") != (self.to is not None):
            raise ValueError('A "swap", and nothing else, names the expert that runs instead.')
        if self.to is not None:
            object.__setattr__(self, "to", *_numbers("expert that runs instead", self.to))
            if self.to in self.experts:
                raise ValueError(f"Expert {self.to} cannot run in its own place.")
        number = isinstance(self.amount, int | float) and not isinstance(self.amount, bool)
        if not number or not math.isfinite(self.amount):
            raise ValueError(f"The amount must be a finite number; it is {self.amount!r}.")
        object.__setattr__(self, "amount", float(self.amount) + 0.0)  # no negative zero
        if self.amount != 0 and self.what != "bias":
            raise ValueError('Only a "bias" has an amount.')

    def acts_in(self, layer: int) -> bool:
        """Whether it does something in a layer, counted over all blocks."""
        return self.layers is None or layer in self.layers

    def acts_at(self, position: int, phase: Phase) -> bool:
        """Whether it does something to the token at a position, of the prompt or generated."""
        if isinstance(self.tokens, tuple):
            return position in self.tokens
        return self.tokens in ("all", phase)

    def __str__(self) -> str:
        """Write the intervention for a URL: `off:7.20`, `bias:*.3~1.5`, `swap:7.20~33@prompt`.

        Lists have underscores, runs a hyphen: `keep_only:0-15.1_5-9@3_8`.
        """
        layers = "*" if self.layers is None else _written(self.layers)
        operand = {"swap": f"~{self.to}", "bias": f"~{self.amount!r}"}.get(self.what, "")
        tokens = self.tokens if isinstance(self.tokens, str) else _written(self.tokens)
        where = "" if tokens == "all" else f"@{tokens}"
        return f"{self.what}:{layers}.{_written(self.experts)}{operand}{where}"

    @classmethod
    def parse(cls, text: str) -> "Intervention":
        """Read what `str` writes; ValueError with the expected form for anything else."""
        match = _TEXT.fullmatch(text)
        if match is None or match["what"] not in _WHATS:
            raise _not_one(text)
        what, operand, tokens = match["what"], match["operand"], match["tokens"] or "all"
        if (operand is None) == (what in ("swap", "bias")):
            raise _not_one(text)
        if what == "swap" and not operand.isdecimal():
            raise _not_one(text)
        return cls(
            what,
            None if match["layers"] == "*" else _read(match["layers"]),
            _read(match["experts"]),
            _read(tokens) if tokens[0].isdecimal() else tokens,  # type: ignore[arg-type]
            int(operand) if what == "swap" else None,
            float(operand) if what == "bias" else 0.0,
        )


def check_together(interventions: tuple[Intervention, ...]) -> None:
    """Raise ValueError where two of them cannot both be done: the swaps of one expert."""
    swaps = [each for each in interventions if each.what == "swap"]
    for number, one in enumerate(swaps):
        for other in swaps[:number]:
            twice = set(one.experts) & set(other.experts)
            if twice and one.to != other.to and _meet(one.layers, other.layers):
                raise ValueError(f"Expert {min(twice)} is swapped for two others.")


def most_experts(interventions: tuple[Intervention, ...], layer: int, k: int, experts: int) -> int:
    """Return the most experts that a token can have in a layer in which the policy gives it `k`.

    ValueError, in words, for an expert that is not there, and where none would be left to choose.
    """
    here = [each for each in interventions if each.acts_in(layer)]
    for each in here:
        if max(*each.experts, each.to or 0) >= experts:
            raise ValueError(f"{each} names an expert that is not one of {experts}.")
    barred = set().union(*(each.experts for each in here if each.what == "route_around"))
    kept = set(range(experts)) - barred
    for each in here:
        kept &= set(each.experts) if each.what == "keep_only" else kept
    forced, added = (
        set().union(*(each.experts for each in here if each.what == what))
        for what in ("force", "add")
    )
    if not kept:
        raise ValueError(f"The interventions leave no expert to choose in layer {layer}.")
    return min(max(k, len(forced)) + len(added), experts)


def _meet(one: tuple[int, ...] | None, other: tuple[int, ...] | None) -> bool:
    return one is None or other is None or bool(set(one) & set(other))


def _numbers(what: str, given: object) -> tuple[int, ...]:
    """Return whole numbers, each once and rising; ValueError for anything else, and for none."""
    values = (
        tuple(given) if isinstance(given, Iterable) and not isinstance(given, str) else (given,)
    )
    if not values or not all(
        isinstance(value, SupportsIndex) and not isinstance(value, bool) for value in values
    ):
        raise ValueError(f"The {what} must be whole numbers, and at least one; not {given!r:.60}.")
    numbers = sorted({index(value) for value in values})
    if not 0 <= numbers[0] <= numbers[-1] <= _MOST:
        raise ValueError(f"The {what} must be numbers from 0 to {_MOST}.")
    return tuple(numbers)


def _written(numbers: tuple[int, ...]) -> str:
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    return "_".join("-".join(map(str, run)) for run in runs)


def _read(text: str) -> tuple[int, ...]:
    numbers: set[int] = set()
    for run in text.split("_"):
        first, _, last = run.partition("-")
        numbers.update(range(int(first), int(last or first) + 1))
    return tuple(sorted(numbers))


def _not_one(text: str) -> ValueError:
    return ValueError(
        f"Not an intervention: {text[:60]!r}. Write off:7.20, route_around:*.20, force:7.20, "
        "add:7.20, swap:7.20~33, bias:7.20~1.5 or keep_only:0-15.1_5-9, with @prompt, @generated "
        "or @3_8 for some tokens only."
    )
