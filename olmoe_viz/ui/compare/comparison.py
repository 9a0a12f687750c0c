"""One comparison of several ks: what was asked, what has been written so far, what it amounts to.

Knows nothing about streamlit or torch.
"""

import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.analysis.extra_experts import ExtraExperts
from olmoe_viz.analysis.quality import PromptQuality
from olmoe_viz.analysis.token_diff import first_difference, repetition_rate
from olmoe_viz.models.catalogue import Entry
from olmoe_viz.numerics import routing
from olmoe_viz.numerics.costs import active_parameters, total_parameters
from olmoe_viz.numerics.geometry import Geometry
from olmoe_viz.policy import RoutingPolicy, Weighting, one_k
from olmoe_viz.records.generation import Generation, RowStep, Step
from olmoe_viz.records.record import ExpertIds
from olmoe_viz.records.routed import experts_used
from olmoe_viz.ui.compare.token_texts import split
from olmoe_viz.ui.session.selection import entry
from olmoe_viz.ui.widgets.wording import WEIGHTING_NAMES

Pair = tuple[int, int]  # indices of columns, the smaller k first
FEWEST, MOST = 2, 6
MOST_TOKENS = 512
_FILL = (1, 2, 4, 8)  # the largest usual ks, as parts of all experts
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
            policies=_policies(query.get(_KEYS["policies"], ""), entry(query.get("model", ""))),
            new_tokens=int(_within(query, "new_tokens", 1, MOST_TOKENS, 80)),
            temperature=_within(query, "temperature", 0.0, 2.0, 0.0),
            top_p=_within(query, "top_p", 0.05, 1.0, 1.0),
            seed=int(_within(query, "seed", 0, 2**31 - 1, 0)),
            reference=_place(query),
            pair=_pair(query.get(_KEYS["pair"], "")),
            generate=query.get(_KEYS["generate"]) == "1",
        )


def single_k(policy: RoutingPolicy) -> int:
    """The k of a policy with one number for all layers; ValueError for another."""
    if not isinstance(policy.k, int):
        raise ValueError(f"{policy} does not have one k.")
    return policy.k


def fit(policies: Sequence[RoutingPolicy], experts: int) -> bool:
    """Whether a model with so many experts in a layer can run all of the policies."""
    return all(single_k(policy) <= experts for policy in policies)


def usual_policies(
    k: int, against: int, weighting: Weighting, experts: int
) -> tuple[RoutingPolicy, ...]:
    """Four columns that hold the frame's two ks, filled up from the largest usual ones."""
    ks = {k, against}
    for part in _FILL:
        if len(ks) < 4:
            ks.add(max(experts // part, 1))
    return tuple(RoutingPolicy(k, weighting) for k in sorted(ks))


def further_policy(
    columns: Sequence[RoutingPolicy], weighting: Weighting, experts: int
) -> RoutingPolicy:
    """What a column added to the others holds: a k that none of them has, as long as there is."""
    used = {policy.k for policy in columns}
    free = [k for k in (*_FURTHER, *range(1, experts)) if k <= experts and k not in used]
    return RoutingPolicy(free[0] if free else experts, weighting)


@dataclass(eq=False)
class Column:
    """The text of one policy as far as it has been written.

    `steps` are what came with each token, `generation` is the engine's own record, once the writing
    has ended. It is `cached` if it was there already, from an earlier run.
    """

    policy: RoutingPolicy
    pieces: list[str] = field(default_factory=list)
    token_ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    finish: str | None = None
    generation: Generation | None = None
    steps: list[RowStep] = field(default_factory=list)
    cached: bool = False

    @property
    def k(self) -> int:
        """The one k of the column; columns never have a k for each layer."""
        return single_k(self.policy)

    @property
    def name(self) -> str:
        """The policy in words."""
        return f"k = {self.k}, {WEIGHTING_NAMES[self.policy.weighting]}"

    @property
    def text(self) -> str:
        """What has been generated."""
        return "".join(self.pieces)

    def take(self, row: RowStep) -> None:
        """Add one step of the text."""
        if row.token_id is not None:
            self.pieces.append(row.text)
            self.token_ids.append(row.token_id)
            self.logprobs.append(row.logprob)
            self.steps.append(row)
        self.finish = row.finish or self.finish

    def keep(self, generation: Generation, *, cached: bool = False) -> None:
        """Take the record, which may hold more than the steps: what came after a stop, or all."""
        self.generation, self.cached = generation, cached
        self.finish = generation.finish
        self.pieces = split(generation.text, generation.tokens)
        self.token_ids = generation.token_ids.tolist()
        self.logprobs = generation.logprobs.tolist()

    def experts_used(self, layers: int) -> list[float]:
        """How many experts each token used in each layer, in the mean; k while there is no text."""
        record = self.generation
        if record is None or not record.tokens:
            return [float(self.k)] * layers
        used: list[float] = experts_used(record.expert_ids).tolist()
        return used


@dataclass(eq=False)
class Comparison:
    """What one press of Generate asked for and has got so far.

    What is measured of it afterwards stays with it: by column, as far as it is known, `trained`,
    the tokens' probabilities under the trained k, and `qualities`, what the prompt says of each
    policy; `routed`, the experts that the trained k chose for the prompt, ids [layers, tokens,
    trained k]; `extra` by pair of columns; `alone`, the seconds per token of each policy by its
    text form, one a run, when timed alone. `ended` is set once nothing is written any more.
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
    qualities: list[PromptQuality] = field(default_factory=list)
    routed: ExpertIds | None = None
    extra: dict[Pair, ExtraExperts] = field(default_factory=dict)
    alone: dict[str, list[float]] = field(default_factory=dict)
    ended: threading.Event = field(default_factory=threading.Event)

    def take(self, step: Step) -> None:
        """Add one decoding step to all columns."""
        self.seconds = step.seconds
        for column, row in zip(self.columns, step.rows, strict=True):
            column.take(row)

    def keep(self, generations: Sequence[Generation], *, cached: bool = False) -> None:
        """Take the records of the columns, in their order; none when no text was begun."""
        for column, generation in zip(self.columns, generations, strict=False):
            column.keep(generation, cached=cached)
            self.seconds = max(self.seconds, generation.seconds)

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
        active = active_parameters(self.geometry, column.experts_used(self.geometry.layers))
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
    record = column.generation
    if record is None:
        return None
    probabilities = routing.probabilities(record.router_logits)
    return round(float(routing.mass(probabilities, record.expert_ids).mean()), 5)


def _policies(text: str, model: Entry) -> tuple[RoutingPolicy, ...]:
    """Two to six policies with one k each that the model has, and no threshold; or none."""
    try:
        policies = tuple(RoutingPolicy.parse(part) for part in text[:400].split("~"))
    except ValueError:
        return ()
    shown = FEWEST <= len(policies) <= MOST and one_k(policies) and fit(policies, model.experts)
    return policies if shown else ()


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
