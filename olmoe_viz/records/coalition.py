"""Coalition: experts of one token that together flip the next one, and how they were found."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from olmoe_viz.interventions import Intervention
from olmoe_viz.numerics.geometry import Geometry
from olmoe_viz.records.file import Layout
from olmoe_viz.records.provenance import Provenance
from olmoe_viz.records.record import (
    ARRAY,
    ROUNDING,
    ExpertIds,
    Float64s,
    Ids,
    Record,
    check_ids,
    check_tokens,
)
from olmoe_viz.requests import CoalitionRequest


@dataclass(frozen=True, eq=False, repr=False)
class Coalition(Record):
    """Experts that were switched off one after the other until another next token was likelier.

    In each step the one of all left that brought the run's likeliest token, `top_id` and
    `top_token`, least far ahead; so their number is an upper bound of what is needed, and smaller
    sets may be there. By step, [steps]: `layers` int64, counted over all blocks, and `expert_ids`
    int16; `margins` float64, the logit of `top_id` less the largest other one, in nats, and
    `logprobs` float64 its natural log-probability; `new_tops` int64 is the likeliest token then and
    `new_top_tokens` its visible text. `margin` and `logprob` are those of the run as it was.

    `kept` are those of which none can be left out, or all where nothing flipped;
    `end_top`, `end_token`, `end_margin` and `end_logprob` say what is predicted without these.
    """

    kind = "coalition"

    request: CoalitionRequest
    top_id: int
    top_token: str
    margin: float
    logprob: float
    end_top: int
    end_token: str
    end_margin: float
    end_logprob: float
    new_top_tokens: tuple[str, ...]
    kept: tuple[bool, ...]
    geometry: Geometry
    provenance: Provenance
    layers: Ids = field(metadata=ARRAY)
    expert_ids: ExpertIds = field(metadata=ARRAY)
    margins: Float64s = field(metadata=ARRAY)
    logprobs: Float64s = field(metadata=ARRAY)
    new_tops: Ids = field(metadata=ARRAY)

    @classmethod
    def layout(cls, facts: Mapping[str, Any]) -> Layout:
        """Return dtype and shape of each array by name; ValueError for facts that do not fit."""
        steps = (len(facts["new_top_tokens"]),)
        return {
            "layers": ("int64", steps),
            "expert_ids": ("int16", steps),
            "margins": ("float64", steps),
            "logprobs": ("float64", steps),
            "new_tops": ("int64", steps),
        }

    def check(self) -> None:
        """Raise ValueError unless facts and arrays fit each other, beyond their shapes."""
        check_tokens((self.top_token, self.end_token, *self.new_top_tokens))
        if not 0 < len(self.kept) == len(self.new_top_tokens):
            raise ValueError("the kept experts are not as many as the steps")
        check_ids("the likeliest tokens", self.new_tops, self.geometry.vocab)
        if not set(self.layers.tolist()) <= set(self.geometry.layer_ids):
            raise ValueError("a layer has no experts")
        if (self.expert_ids < 0).any() or (self.expert_ids >= self.geometry.experts).any():
            raise ValueError(f"an expert id is not from 0 to {self.geometry.experts - 1}")
        if (self.logprobs > ROUNDING).any():
            raise ValueError("a likelihood is above 1")

    @property
    def flipped(self) -> bool:
        """Whether another token is the likeliest without these experts."""
        return self.end_top != self.top_id

    @property
    def members(self) -> list[tuple[int, int]]:
        """Layer and expert of each that was taken, in the order of the steps."""
        return list(zip(self.layers.tolist(), self.expert_ids.tolist(), strict=True))

    @property
    def needed(self) -> list[tuple[int, int]]:
        """Those of them that are kept."""
        return [member for member, kept in zip(self.members, self.kept, strict=True) if kept]

    def interventions(self) -> tuple[Intervention, ...]:
        """Return what switches the kept ones off, for this token alone."""
        token = (self.request.token,)
        return tuple(
            Intervention("off", (layer,), (expert,), token) for layer, expert in self.needed
        )
