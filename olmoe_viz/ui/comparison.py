"""One comparison of several ks: what was asked, what has been written so far, what it amounts to.

Knows nothing about streamlit or torch.
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from olmoe_viz import routing
from olmoe_viz.costs import Geometry, active_parameters, total_parameters
from olmoe_viz.policy import RoutingPolicy, Weighting

if TYPE_CHECKING:
    from olmoe_viz.engine.decoding import Step

FEWEST, MOST = 2, 6
MOST_TOKENS = 512
_FILL = (8, 16, 32, 64)


@dataclass(frozen=True)
class Settings:
    """How texts are generated; `policies` empty means that the frame's ks decide."""

    policies: tuple[RoutingPolicy, ...] = ()
    new_tokens: int = 80
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0

    def to_query(self) -> dict[str, str]:
        """Query parameters; what has its default value is left out."""
        query = {
            _KEYS[f.name]: str(value)
            for f in fields(self)
            if f.name != "policies" and (value := getattr(self, f.name)) != f.default
        }
        if self.policies:
            query[_KEYS["policies"]] = "~".join(map(str, self.policies))
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
        )


_KEYS = {
    "policies": "columns",
    "new_tokens": "tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "seed": "seed",
}
QUERY_KEYS = tuple(_KEYS.values())


def usual_policies(k: int, against: int, weighting: Weighting) -> tuple[RoutingPolicy, ...]:
    """Four columns that hold the frame's two ks, filled up from the largest usual ones."""
    ks = {k, against}
    for fill in reversed(_FILL):
        if len(ks) < 4:
            ks.add(fill)
    return tuple(RoutingPolicy(k, weighting) for k in sorted(ks))


@dataclass(eq=False)
class Column:
    """The text of one policy as far as it has been written."""

    policy: RoutingPolicy
    pieces: list[str] = field(default_factory=list)
    token_ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    router_logits: list[NDArray[np.float32]] = field(default_factory=list)
    finish: str | None = None

    @property
    def text(self) -> str:
        """What has been generated."""
        return "".join(self.pieces)

    def probabilities(self) -> NDArray[np.float64]:
        """Router probabilities of the generated tokens, [layers, tokens, experts]."""
        return routing.probabilities(np.stack(self.router_logits, axis=1))


@dataclass(eq=False)
class Comparison:
    """What one press of Generate asked for and has got so far."""

    prompt: str
    model: str
    digest: str
    geometry: Geometry
    settings: Settings
    columns: list[Column]
    seconds: float = 0.0
    trouble: str | None = None

    def take(self, step: "Step") -> None:
        """Add one decoding step to all columns."""
        self.seconds = step.seconds
        for column, row in zip(self.columns, step.rows, strict=True):
            if row.token_id is not None:
                column.pieces.append(row.text)
                column.token_ids.append(row.token_id)
                column.logprobs.append(row.logprob)
                column.router_logits.append(row.router_logits)
            column.finish = row.finish or column.finish

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
        return shared_prefix([column.token_ids for column in self.columns])

    def rows(self) -> list[dict[str, Any]]:
        """The facts of each column, as they are shown and exported."""
        return [self._row(column) for column in self.columns]

    def _row(self, column: Column) -> dict[str, Any]:
        count = len(column.token_ids)
        k = column.policy.k
        active = active_parameters(self.geometry, k)
        mass = routing.retained_mass(column.probabilities(), int(str(k))) if count else None
        return {
            "k": k,
            "weighting": column.policy.weighting,
            "tokens": count,
            "seconds": round(self.seconds, 4),
            "tokens_per_second": round(count / self.seconds, 2) if self.seconds else None,
            "active_parameters": active,
            "share_of_parameters": round(active / total_parameters(self.geometry), 4),
            "mean_retained_mass": None if mass is None else round(float(mass.mean()), 5),
            "mean_logprob": round(float(np.mean(column.logprobs)), 5) if count else None,
            "shared_tokens": self.shared(),
            "finish": column.finish or "stopped",
            "text": column.text,
        }

    def to_csv(self) -> str:
        """One line a column, with what was asked in every line."""
        asked = self._asked()
        out = io.StringIO()
        writer = csv.DictWriter(out, [*self.rows()[0], *asked])
        writer.writeheader()
        writer.writerows(row | asked for row in self.rows())
        return out.getvalue()

    def to_json(self) -> str:
        """Everything but the router logits, tokens included."""
        columns = [
            row
            | {"token_ids": column.token_ids, "pieces": column.pieces, "logprobs": column.logprobs}
            for row, column in zip(self.rows(), self.columns, strict=True)
        ]
        return json.dumps(self._asked() | {"columns": columns}, ensure_ascii=False, indent=1)

    def _asked(self) -> dict[str, Any]:
        settings = asdict(self.settings)
        del settings["policies"]
        return {"prompt": self.prompt, "model": self.model, "digest": self.digest} | settings


def shared_prefix(sequences: Sequence[Sequence[int]]) -> int:
    """Length of the longest beginning that all sequences have in common."""
    shared = 0
    for values in zip(*sequences, strict=False):
        if len(set(values)) > 1:
            break
        shared += 1
    return shared


def _policies(text: str) -> tuple[RoutingPolicy, ...]:
    """Two to six policies with one k each, or none."""
    try:
        policies = tuple(RoutingPolicy.parse(part) for part in text[:400].split("~"))
    except ValueError:
        return ()
    one_k = all(isinstance(policy.k, int) and policy.k <= 64 for policy in policies)
    return policies if one_k and FEWEST <= len(policies) <= MOST else ()


def _within(query: Mapping[str, str], name: str, low: float, high: float, default: float) -> float:
    try:
        number = float(query.get(_KEYS[name], ""))
    except ValueError:
        return default
    return number if low <= number <= high else default
