"""A message in the chat template of a model that was tuned on conversations.

The template is Jinja text of the checkpoint, which transformers runs in a sandbox.
"""

from dataclasses import dataclass
from itertools import accumulate

from olmoe_viz.errors import InputError
from olmoe_viz.models.memory import out_of_memory
from olmoe_viz.models.model import Model
from olmoe_viz.requests import ChatMessage

# Characters of Unicode's private use: one that the message does not have stands for it.
_MARKS = range(0xE000, 0xF900)


@dataclass(frozen=True)
class Rendered:
    """What the model reads: the message, and what the template has before and after it."""

    before: str
    message: str
    after: str

    @property
    def text(self) -> str:
        """All of it."""
        return self.before + self.message + self.after


def render(model: Model, message: ChatMessage) -> Rendered:
    """Put a message into the model's template, up to where the model's answer begins.

    Raises InputError where there is no template, where it cannot be used, and where it does more
    than to surround the message, so that nobody could tell which part of the text is whose.
    """
    if model.tokenizer.chat_template is None:
        raise InputError(f"{model.name} has no chat template. Switch it off.")
    mark = next(mark for mark in map(chr, _MARKS) if mark not in message.content)
    text, (before, *after) = _apply(model, message.content), _apply(model, mark).split(mark)
    if len(after) != 1 or not (text.startswith(before) and text[len(before) :].endswith(after[0])):
        raise InputError(
            f"The chat template of {model.name} does more than to surround the text, so it cannot "
            "be shown. Switch it off."
        )
    return Rendered(before, text[len(before) : len(text) - len(after[0])], after[0])


def message_span(model: Model, rendered: Rendered, tokens: list[bytes]) -> tuple[int, int]:
    """Return the first token that has a part of the message, and the one after the last.

    `tokens` are the bytes of the tokens of the whole text. A token of both is the message's.
    """
    begin = len(_normalized(model, rendered.before))
    end = begin + len(_normalized(model, rendered.message))
    ends = list(accumulate(map(len, tokens)))
    starts = [0, *ends[:-1]]
    first = sum(place <= begin for place in ends)
    return first, max(sum(place < end for place in starts), first)


def _normalized(model: Model, text: str) -> bytes:
    normalizer = model.tokenizer.backend_tokenizer.normalizer
    return (text if normalizer is None else normalizer.normalize_str(text)).encode("utf-8")


def _apply(model: Model, content: str) -> str:
    try:
        return str(
            model.tokenizer.apply_chat_template(
                [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
            )
        )
    except Exception as error:  # what a template can do wrong has no common class
        if out_of_memory(error):
            raise
        reason = str(error).partition("\n")[0].rstrip(".")
        raise InputError(
            f"The chat template of {model.name} cannot be used: {reason}. Switch it off."
        ) from error
