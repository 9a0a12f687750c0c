"""What a person or a caller may hand to the engine, checked before any work starts.

Knows nothing about running a model. Every refusal is an InputError whose text is for people.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from olmoe_viz.models.load import Model
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.trace import MAX_TEXT


class InputError(ValueError):
    """A prompt or a setting that cannot be used; its text says what to change."""


@dataclass(frozen=True)
class Sampling:
    """How tokens are picked: greedily at temperature 0, else from the `top_p` nucleus, seeded."""

    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise InputError(f"The temperature must be 0 or more; it is {self.temperature}.")
        if not 0 < self.top_p <= 1:
            raise InputError(f"top_p must be above 0 and at most 1; it is {self.top_p}.")
        if not 0 <= self.seed < 2**63:
            raise InputError(f"The seed must be from 0 to 2^63 - 1; it is {self.seed}.")


def encode(model: Model, text_or_ids: str | Iterable[int]) -> list[int]:
    """Return the token ids of a text, or check ids that are given; at least one.

    Raises InputError for nothing at all, for what is not text, for ids outside the vocabulary,
    and for more tokens than the model's context.
    """
    if isinstance(text_or_ids, str):
        ids = _tokenize(model, text_or_ids)
    else:
        ids = [int(token) for token in text_or_ids]
    vocab, context = model.geometry.vocab, model.geometry.context
    if not ids:
        raise InputError("There is no text yet. Type a few words.")
    if min(ids) < 0 or max(ids) >= vocab:
        raise InputError(f"Token ids must be from 0 to {vocab - 1:,}.")
    if len(ids) > context:
        raise InputError(
            f"The text has {len(ids):,} tokens; {model.name} reads at most {context:,}. Shorten it."
        )
    return ids


def _tokenize(model: Model, text: str) -> list[int]:
    if len(text) > MAX_TEXT:
        raise InputError(
            f"The text has {len(text):,} characters; at most {MAX_TEXT:,} can be read. Shorten it."
        )
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise InputError(
            "The text contains half of a surrogate pair, which is not a character. Remove it."
        ) from None
    # The tokenizer's own encode changes no settings, so threads can share it.
    ids: list[int] = model.tokenizer.backend_tokenizer.encode(text).ids
    return ids


def check_policies(model: Model, policies: Sequence[RoutingPolicy]) -> None:
    """Raise InputError unless there is a policy and each fits the model's layers and experts."""
    if not policies:
        raise InputError("Choose at least one k.")
    for policy in policies:
        try:
            policy.check(model.geometry.layers, model.geometry.experts)
        except ValueError as error:
            raise InputError(str(error)) from None


def check_length(model: Model, prompt_tokens: int, max_new_tokens: int) -> None:
    """Raise InputError unless the prompt and as many new tokens fit the model's context."""
    room = model.geometry.context - prompt_tokens
    if max_new_tokens < 1:
        raise InputError(f"Generate at least 1 token; it is {max_new_tokens}.")
    if room < 1:
        raise InputError(
            f"The prompt fills all {model.geometry.context:,} tokens that {model.name} reads, "
            "so nothing can follow it. Shorten it."
        )
    if max_new_tokens > room:
        raise InputError(
            f"The prompt has {prompt_tokens:,} tokens and {model.name} reads at most "
            f"{model.geometry.context:,} in all, so at most {room:,} can be generated, "
            f"not {max_new_tokens:,}."
        )
