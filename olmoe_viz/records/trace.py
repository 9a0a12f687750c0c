"""Trace: one pass over one text, as recorded."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.numerics.geometry import Geometry
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.records.file import Layout, array_bytes
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
from olmoe_viz.requests import ChatMessage, Detail, TraceRequest

NEXT_TOKENS = 50


@dataclass(frozen=True, eq=False, repr=False)
class Trace(RoutedRecord):
    """One pass over one text; arrays are read-only.

    `text` is all that was read: the text, what its ids decode to, or the message of the request in
    its chat template. `message` is then the first token of the message and the one after its last,
    the others are the template's; else it is None. `token_ids` is int64 [tokens], `tokens` their
    visible text and `token_bytes` their exact bytes. The first axis of what is recorded of routing
    are the layers of experts, `geometry.layer_ids`:

    - `router_logits` float32 [layers, tokens, experts], raw, before the softmax;
    - `expert_ids` int16 and `weights` float32 [layers, tokens, largest k], the experts that ran,
      strongest first, and what their outputs were multiplied by. A token with fewer experts ends
      in id -1 and weight 0.

    `hidden_norms` is float32 [blocks + 1, tokens]: the L2 norm of the residual stream entering each
    block and, last, leaving the last block, before the final norm. `next_ids` and `next_logits`
    ([50], or the whole vocabulary when that is smaller) are the most likely next tokens at the
    final position, `next_tokens` their visible text, and `log_sum_exp` is over the whole vocabulary
    there.

    Recorded only with detail "full", else None: `hidden_states` float32 [blocks + 1, tokens,
    hidden], the residual stream at the same places as `hidden_norms`, and `attention_outputs`
    float32 [blocks, tokens, hidden], what attention adds to it.

    Raises ValueError when a value does not fit the rest or is not finite.
    """

    kind = "trace"

    request: TraceRequest
    text: str
    tokens: tuple[str, ...]
    token_bytes: tuple[bytes, ...]
    next_tokens: tuple[str, ...]
    log_sum_exp: float
    geometry: Geometry
    provenance: Provenance
    token_ids: Ids = field(metadata=ARRAY)
    router_logits: Float32s = field(metadata=ARRAY)
    expert_ids: ExpertIds = field(metadata=ARRAY)
    weights: Float32s = field(metadata=ARRAY)
    hidden_norms: Float32s = field(metadata=ARRAY)
    next_ids: Ids = field(metadata=ARRAY)
    next_logits: Float32s = field(metadata=ARRAY)
    hidden_states: Float32s | None = field(default=None, metadata=ARRAY)
    attention_outputs: Float32s | None = field(default=None, metadata=ARRAY)
    message: tuple[int, int] | None = None

    @classmethod
    def layout(cls, facts: Mapping[str, Any]) -> Layout:
        """Return dtype and shape of each array by name; ValueError for facts that do not fit."""
        request, geometry, count = facts["request"], facts["geometry"], len(facts["tokens"])
        check_count(count, least=1)
        blocks, top = geometry.layers, min(NEXT_TOKENS, geometry.vocab)
        layout: dict[str, tuple[str, tuple[int, ...]]] = {
            "token_ids": ("int64", (count,)),
            **routing_layout(request.policy, geometry, count),
            "hidden_norms": ("float32", (blocks + 1, count)),
            "next_ids": ("int64", (top,)),
            "next_logits": ("float32", (top,)),
        }
        if request.detail == "full":
            layout["hidden_states"] = ("float32", (blocks + 1, count, geometry.hidden))
            layout["attention_outputs"] = ("float32", (blocks, count, geometry.hidden))
        return layout

    @classmethod
    def file_bytes(
        cls, request: TraceRequest, geometry: Geometry, tokens: int, *, half_logits: bool = False
    ) -> int:
        """Return what the arrays of a trace of so many tokens will take in a file.

        The header comes on top: about 30 bytes a token and 3,000 beside. ValueError when the
        request does not fit the model.
        """
        facts = {"request": request, "geometry": geometry, "tokens": range(tokens)}
        precision = "float16" if half_logits else "float32"
        return array_bytes(cls.stored_layout(facts | {"logits_precision": precision}))

    def check(self) -> None:
        """Raise ValueError unless facts and arrays fit each other, beyond their shapes."""
        check_text("the text", self.text, MAX_TEXT)
        check_tokens(self.tokens)
        if len(self.token_bytes) != len(self.tokens):
            raise ValueError(
                f"there are {len(self.token_bytes)} token bytes for {len(self.tokens)} tokens"
            )
        check_tokens(self.next_tokens)
        if len(self.next_tokens) != len(self.next_ids):
            raise ValueError("the next tokens have not as many texts")
        self._check_message()
        check_number("log_sum_exp", self.log_sum_exp, least=-np.inf)
        check_ids("token_ids", self.token_ids, self.geometry.vocab)
        check_ids("next_ids", self.next_ids, self.geometry.vocab)
        check_routing(self.expert_ids, self.weights, self.geometry)
        if (self.next_logits > self.log_sum_exp + ROUNDING).any() or (
            self.next_probabilities().sum() > 1 + ROUNDING
        ):
            raise ValueError("the next tokens' probabilities sum to more than 1")

    def _check_message(self) -> None:
        if (self.message is not None) != isinstance(self.request.text, ChatMessage):
            raise ValueError("the tokens of the message are not known, or there is no message")
        first, stop = self.message or (0, 1)
        if not 0 <= first < stop <= len(self.tokens):
            raise ValueError(f"the message is not in {len(self.tokens)} tokens")

    @property
    def policy(self) -> RoutingPolicy:
        """How the text was routed."""
        return self.request.policy

    @property
    def detail(self) -> Detail:
        """How much was recorded."""
        return self.request.detail

    @property
    def template(self) -> frozenset[int]:
        """The places of the tokens that are the chat template's and not the message's."""
        first, stop = self.message or (0, len(self.tokens))
        return frozenset(range(len(self.tokens))) - frozenset(range(first, stop))

    def next_probabilities(self) -> NDArray[np.float64]:
        """Return the probabilities of `next_ids` over the whole vocabulary, float64 [50]."""
        return np.exp(self.next_logits.astype(np.float64) - self.log_sum_exp)
