"""Generation: one continuation of one prompt, as recorded; and the steps in which it is written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from olmoe_viz.numerics.geometry import Geometry
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.records.file import Layout
from olmoe_viz.records.provenance import Provenance
from olmoe_viz.records.record import (
    ARRAY,
    MAX_TEXT,
    ROUNDING,
    ExpertIds,
    Float32s,
    Ids,
    check_count,
    check_ids,
    check_number,
    check_text,
    check_tokens,
)
from olmoe_viz.records.routed import RoutedRecord, check_routing, routing_layout
from olmoe_viz.requests import GenerateRequest

Finish = Literal["length", "end", "stopped", "error"]


@dataclass(frozen=True, eq=False)
class RowStep:
    """What one row did in one step.

    `text` is what this step completes, often one token's text, sometimes none. `logprob` is the
    token's natural log-probability under the row's own policy before temperature. Of this token,
    `router_logits` is float32 [layers, experts], and `expert_ids` int16 and `weights` float32
    [layers, the row's largest k] are what ran. A row that does nothing in the step has token_id
    None, logprob nan and arrays [layers, 0]. `finish` is set from the row's last step on.
    """

    token_id: int | None
    text: str
    logprob: float
    finish: Finish | None
    router_logits: Float32s
    expert_ids: ExpertIds
    weights: Float32s


@dataclass(frozen=True, eq=False)
class Step:
    """One decoding step of all rows, in the order of the policies.

    `index` counts from 0; while a long prompt is being read it is -1 and no row has a token.
    `seconds` is the time spent decoding so far, without reading the prompt and without what the
    caller does between steps.
    """

    index: int
    rows: tuple[RowStep, ...]
    seconds: float


@dataclass(frozen=True, eq=False, repr=False)
class Generation(RoutedRecord):
    """One continuation of one prompt under one policy, as recorded; arrays are read-only.

    It is row `row` of its request. `prompt` is the prompt, or what its ids decode to, `text` the
    generated text alone and `tokens` the visible text of its tokens. `prompt_ids` is int64 [prompt
    tokens], `token_ids` int64 [generated tokens]. `logprobs` is float32 [generated tokens], natural
    logarithms under the row's own policy before temperature. `router_logits`, `expert_ids` and
    `weights` are as in a Trace, of the generated tokens; with `prompt_` before their name, of the
    prompt. `seconds` is the wall time of decoding and `prefill_seconds` that of reading the prompt,
    both of the whole batch that the row ran in.

    Raises ValueError when a value does not fit the rest or is not finite.
    """

    kind = "generation"

    request: GenerateRequest
    row: int
    prompt: str
    tokens: tuple[str, ...]
    prompt_tokens: int
    text: str
    seconds: float
    prefill_seconds: float
    finish: Finish
    geometry: Geometry
    provenance: Provenance
    prompt_ids: Ids = field(metadata=ARRAY)
    token_ids: Ids = field(metadata=ARRAY)
    logprobs: Float32s = field(metadata=ARRAY)
    router_logits: Float32s = field(metadata=ARRAY)
    expert_ids: ExpertIds = field(metadata=ARRAY)
    weights: Float32s = field(metadata=ARRAY)
    prompt_router_logits: Float32s = field(metadata=ARRAY)
    prompt_expert_ids: ExpertIds = field(metadata=ARRAY)
    prompt_weights: Float32s = field(metadata=ARRAY)

    @classmethod
    def layout(cls, facts: Mapping[str, Any]) -> Layout:
        """Return dtype and shape of each array by name; ValueError for facts that do not fit."""
        request, row, geometry = facts["request"], facts["row"], facts["geometry"]
        if not 0 <= row < len(request.policies):
            raise ValueError(f"its request has no row {row}")
        policy, prompt, count = request.policies[row], facts["prompt_tokens"], len(facts["tokens"])
        check_count(prompt, least=1)
        check_count(count, least=0)
        return {
            "prompt_ids": ("int64", (prompt,)),
            "token_ids": ("int64", (count,)),
            "logprobs": ("float32", (count,)),
            **routing_layout(policy, geometry, count),
            **routing_layout(policy, geometry, prompt, "prompt_"),
        }

    def check(self) -> None:
        """Raise ValueError unless facts and arrays fit each other, beyond their shapes."""
        check_text("the prompt", self.prompt, MAX_TEXT)
        check_text("the text", self.text, MAX_TEXT)
        check_tokens(self.tokens)
        check_number("seconds", self.seconds)
        check_number("prefill_seconds", self.prefill_seconds)
        if self.finish not in get_args(Finish):
            raise ValueError(f"finish must be one of {', '.join(get_args(Finish))}")
        check_ids("prompt_ids", self.prompt_ids, self.geometry.vocab)
        check_ids("token_ids", self.token_ids, self.geometry.vocab)
        check_routing(self.expert_ids, self.weights, self.geometry)
        check_routing(self.prompt_expert_ids, self.prompt_weights, self.geometry)
        if (self.logprobs > ROUNDING).any():
            raise ValueError("a log-probability is above 0")

    @property
    def policy(self) -> RoutingPolicy:
        """How this row was routed."""
        return self.request.policies[self.row]

    @property
    def tokens_per_second(self) -> float:
        """Generated tokens per second of decoding; 0 when nothing was decoded."""
        return len(self.tokens) / self.seconds if self.seconds > 0 else 0.0
