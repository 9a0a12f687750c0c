"""One comparison of several ks: what was asked, what has been written so far, what it amounts to.

Knows nothing about streamlit or torch.
"""

import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.numerics import routing
from olmoe_viz.analysis.comparison import first_difference, repetition_rate
from olmoe_viz.numerics.costs import Geometry, active_parameters, total_parameters
from olmoe_viz.policy import RoutingPolicy, Weighting
from olmoe_viz.records.generation import Generation
from olmoe_viz.ui.text import WEIGHTING_NAMES

if TYPE_CHECKING:
    from olmoe_viz.analysis.extra_experts import ExtraExperts
    from olmoe_viz.analysis.quality import PromptQuality
    from olmoe_viz.engine.decoding import Step

Pair = tuple[int, int]  # indices of columns, the smaller k first
FEWEST, MOST = 2, 6
MOST_TOKENS = 512
_FILL = (8, 16, 32, 64)
_FURTHER = (4, 2, 1, 24, 48, 12)  # as many as there are columns: one of them is always new
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
            policies=_policies(query.get(_KEYS["policies"], "")),
            new_tokens=int(_within(query, "new_tokens", 1, MOST_TOKENS, 80)),
            temperature=_within(query, "temperature", 0.0, 2.0, 0.0),
            top_p=_within(query, "top_p", 0.05, 1.0, 1.0),
            seed=int(_within(query, "seed", 0, 2**31 - 1, 0)),
            reference=_place(query),
            pair=_pair(query.get(_KEYS["pair"], "")),
            generate=query.get(_KEYS["generate"]) == "1",
        )


def usual_policies(k: int, against: int, weighting: Weighting) -> tuple[RoutingPolicy, ...]:
    """Four columns that hold the frame's two ks, filled up from the largest usual ones."""
    ks = {k, against}
    for fill in reversed(_FILL):
        if len(ks) < 4:
            ks.add(fill)
    return tuple(RoutingPolicy(k, weighting) for k in sorted(ks))


def further_policy(columns: Sequence[RoutingPolicy], weighting: Weighting) -> RoutingPolicy:
    """What a column added to fewer than the most holds: a k that none of them has."""
    used = {policy.k for policy in columns}
    return RoutingPolicy(next(k for k in _FURTHER if k not in used), weighting)


@dataclass(eq=False)
class Column:
    """The text of one policy as far as it has been written.

    `routed` holds the router logits [layers, experts] of each token, `generation` is the engine's
    own record, once the writing has ended.
    """

    policy: RoutingPolicy
    pieces: list[str] = field(default_factory=list)
    token_ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    finish: str | None = None
    generation: Generation | None = None
    routed: list[NDArray[np.float32]] = field(default_factory=list)

    @property
    def k(self) -> int:
        """The one k of the column; columns never have a k for each layer."""
        return self.policy.ks(1)[0]

    @property
    def name(self) -> str:
        """The policy in words."""
        return f"k = {self.k}, {WEIGHTING_NAMES[self.policy.weighting]}"

    @property
    def text(self) -> str:
        """What has been generated."""
        return "".join(self.pieces)

    def keep(self, generation: Generation) -> None:
        """Take the record; a stop may have left bytes that only it turned into text."""
        self.generation = generation
        self.finish = generation.finish
        if self.pieces:
            self.pieces[-1] += generation.text[len(self.text) :]


@dataclass(eq=False)
class Comparison:
    """What one press of Generate asked for and has got so far.

    What is measured of it afterwards stays with it: by column, as far as it is known, `trained`,
    the tokens' probabilities under the trained k, and `qualities`, what the prompt says of each
    policy; `routed`, the prompt's router logits under the trained k [layers, tokens, experts];
    `extra` by pair of columns; `alone`, the seconds per token of each policy by its text form, one
    a run, when timed alone.
    `ended` is set once nothing is written any more.
    """

    prompt: str
    model: str
    digest: str
    geometry: Geometry
    settings: Settings
    columns: list[Column]
    seconds: float = 0.0
    trouble: str | None = None
    trained: list[NDArray[np.float64]] = field(default_factory=list)
    qualities: "list[PromptQuality]" = field(default_factory=list)
    routed: NDArray[np.float32] | None = None
    extra: "dict[Pair, ExtraExperts]" = field(default_factory=dict)
    alone: dict[str, list[float]] = field(default_factory=dict)
    ended: threading.Event = field(default_factory=threading.Event)

    def take(self, step: "Step") -> None:
        """Add one decoding step to all columns."""
        self.seconds = step.seconds
        for column, row in zip(self.columns, step.rows, strict=True):
            if row.token_id is not None:
                column.pieces.append(row.text)
                column.token_ids.append(row.token_id)
                column.logprobs.append(row.logprob)
                column.routed.append(row.router_logits)
            column.finish = row.finish or column.finish

    def keep(self, generations: Sequence[Generation]) -> None:
        """Take the records of the columns, in their order; none when no text was begun."""
        for column, generation in zip(self.columns, generations, strict=False):
            column.keep(generation)

    def records(self) -> list[Generation]:
        """The engine's records by column; none while the texts are being written."""
        return [column.generation for column in self.columns if column.generation]

    @property
    def read_again(self) -> bool:
        """Whether it is known of every text what the trained k makes of it."""
        return len(self.trained) == len(self.columns)

    @property
    def measured(self) -> bool:
        """Whether texts and prompt have been measured in every column."""
        prompt = len(self.qualities) == len(self.columns) and self.routed is not None
        return self.read_again and prompt

    @property
    def written(self) -> int:
        """Tokens of the longest column."""
        return max(len(column.token_ids) for column in self.columns)

    @property
    def progress(self) -> str:
        """How far the writing is, in words."""
        speed = self.written / self.seconds if self.seconds else 0.0
        return (
            f"{self.written} of {self.settings.new_tokens} tokens in each column, "
            f"{speed:.1f} tokens/s, {self.seconds:.1f} s"
        )

    def shared(self) -> int:
        """How many first tokens all columns have in common."""
        sequences = [column.token_ids for column in self.columns]
        place = first_difference(sequences)
        return len(sequences[0]) if place is None else place

    def rows(self) -> list[dict[str, Any]]:
        """The facts of each column, as they are shown and exported."""
        return [self._row(column) for column in self.columns]

    def _row(self, column: Column) -> dict[str, Any]:
        count, record = len(column.token_ids), column.generation
        seconds = self.seconds if record is None else record.seconds
        active = active_parameters(self.geometry, column.k)
        return {
            "k": column.k,
            "weighting": column.policy.weighting,
            "tokens": count,
            "seconds": round(seconds, 4),
            "tokens_per_second": round(count / seconds, 2) if seconds else None,
            "active_parameters": active,
            "share_of_parameters": round(active / total_parameters(self.geometry), 4),
            "mean_retained_mass": _retained_mass(column) if count else None,
            "mean_logprob": round(float(np.mean(column.logprobs)), 5) if count else None,
            "repetition_rate": round(repetition_rate(column.token_ids), 5),
            "shared_tokens": self.shared(),
            "finish": column.finish or "stopped",
            "text": column.text,
        }


def distinct_names(columns: Sequence[Column]) -> list[str]:
    """The names of the columns, numbered where two have the same."""
    names = [column.name for column in columns]
    return [
        name if names.count(name) == 1 else f"column {at}: {name}"
        for at, name in enumerate(names, start=1)
    ]


def reference(columns: Sequence[Column], chosen: int | None, trained_k: int) -> int:
    """The column that the others are compared with: the chosen one, or the trained k's."""
    if chosen is not None and chosen < len(columns):
        return chosen
    policies = [column.policy for column in columns]
    trained = RoutingPolicy(trained_k)
    return policies.index(trained) if trained in policies else 0


def _retained_mass(column: Column) -> float | None:
    """Mean over layers and generated tokens; None while the record is not there."""
    if column.generation is None:
        return None
    probabilities = routing.probabilities(column.generation.router_logits)
    return round(float(routing.retained_mass(probabilities, column.k).mean()), 5)


def _policies(text: str) -> tuple[RoutingPolicy, ...]:
    """Two to six policies with one k each, or none."""
    try:
        policies = tuple(RoutingPolicy.parse(part) for part in text[:400].split("~"))
    except ValueError:
        return ()
    one_k = all(isinstance(policy.k, int) and policy.k <= 64 for policy in policies)
    return policies if one_k and FEWEST <= len(policies) <= MOST else ()


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
