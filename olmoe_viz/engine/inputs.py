"""What a request may ask of a model, checked before any work starts.

Every refusal is an InputError whose text is for people. Knows nothing about running a model.
"""

from collections.abc import Sequence

from olmoe_viz import settings
from olmoe_viz.engine.chat_template import message_span, render
from olmoe_viz.errors import InputError
from olmoe_viz.models.model import Model
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.records.record import MAX_TEXT
from olmoe_viz.requests import ChatMessage, Text


def encode(model: Model, text: Text) -> list[int]:
    """Return the token ids of a text or of a message in its template, or check ids; at least one.

    Raises InputError for nothing at all, for ids outside the vocabulary, for more tokens than the
    model's context or the setting `prompt_tokens`, and for a message that cannot be put into the
    model's template.
    """
    ids = _tokenize(model, text) if isinstance(text, str | ChatMessage) else list(text)
    vocab, context = model.geometry.vocab, model.geometry.context
    most = settings.current().prompt_tokens
    if not ids:
        raise InputError("There is no text yet. Type a few words.")
    if min(ids) < 0 or max(ids) >= vocab:
        raise InputError(f"Token ids must be from 0 to {vocab - 1:,}.")
    if len(ids) > context:
        raise InputError(
            f"The text has {len(ids):,} tokens; {model.name} reads at most {context:,}. Shorten it."
        )
    if len(ids) > most:
        raise InputError(
            f"The text has {len(ids):,} tokens; this server reads at most {most:,}. Shorten it."
        )
    return ids


def text_of(model: Model, text: Text) -> str:
    """Return all that is read: the text, the message in its template, or what ids decode to."""
    if isinstance(text, ChatMessage):
        return render(model, text).text
    return text if isinstance(text, str) else model.token_bytes.text(text)


def message_of(model: Model, text: Text, ids: Sequence[int]) -> tuple[int, int] | None:
    """Return the first token of a message in its template and the one after its last; else None.

    `ids` are those of the text.
    """
    if not isinstance(text, ChatMessage):
        return None
    return message_span(model, render(model, text), list(map(model.token_bytes.of, ids)))


def _tokenize(model: Model, text: str | ChatMessage) -> list[int]:
    read = _checked(text if isinstance(text, str) else text.content)
    if isinstance(text, ChatMessage):
        rendered = render(model, text)
        read = _checked(rendered.text) if rendered.message else ""
    # The tokenizer's own encode changes no settings, so threads can share it. A template brings the
    # special tokens that it wants.
    backend = model.tokenizer.backend_tokenizer
    ids: list[int] = backend.encode(read, add_special_tokens=isinstance(text, str)).ids
    return ids


def _checked(text: str) -> str:
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
    return text


def check_policies(model: Model, policies: Sequence[RoutingPolicy]) -> None:
    """Raise InputError unless each policy fits the model's layers and experts."""
    for policy in policies:
        try:
            policy.widths(model.geometry.layer_ids, model.geometry.experts)
        except ValueError as error:
            raise InputError(str(error)) from None
        if "steer" not in model.capabilities and policy != RoutingPolicy(model.geometry.trained_k):
            raise InputError(
                f"{model.name} routes by a rule that is not known here, so it runs only as "
                f"trained, with k = {model.geometry.trained_k} and native weights."
            )


def check_details(model: Model) -> None:
    """Raise InputError unless the vectors inside the model's blocks can be computed."""
    if "details" not in model.capabilities:
        raise InputError(
            f"{model.name} can be traced, but what happens in its blocks is not known."
        )


def check_length(model: Model, prompt_tokens: int, max_new_tokens: int) -> None:
    """Raise InputError unless the prompt and as many new tokens fit the model's context."""
    room = model.geometry.context - prompt_tokens
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


def check_place(what: str, index: int, count: int) -> None:
    """Raise InputError unless a layer or a token, counted from 0, is one of `count`."""
    if not 0 <= index < count:
        raise InputError(f"The {what} must be from 0 to {count - 1}; it is {index}.")
