"""What can go wrong, as exceptions whose text is a sentence for people.

All of them are raised on this side of the door, whoever computes behind it. They speak of tokens
and rows; a page translates where it shows columns. Knows nothing else of the package.
"""

from collections.abc import Sequence
from typing import Any


class InputError(ValueError):
    """A text, a policy or a setting that cannot be used; the text says what to change."""


class ModelError(Exception):
    """A model that cannot be loaded; the text says what happened and what to do."""


class EngineError(RuntimeError):
    """A request that an engine took and could not answer."""


class OutOfMemoryError(EngineError):
    """The memory ran out while a request was computed."""


class BusyError(EngineError):
    """The request was not taken: the line is full, or its visitor has asked too often.

    `retry_after` is in how many seconds to ask again.
    """

    def __init__(self, sentence: str, retry_after: float = 5.0) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after


class LostError(EngineError):
    """The engine ended while it computed this, and again when the request was begun anew."""


class CancelledError(EngineError):
    """The request was cancelled before its record was whole.

    `generations` holds what a generation had written until then, one a row.
    """

    def __init__(self, sentence: str, generations: Sequence[Any] = ()) -> None:
        super().__init__(sentence)
        self.generations = tuple(generations)


class MissingError(EngineError):
    """This engine only has recorded answers, and none to this request."""


class GenerationError(EngineError):
    """A generation broke off; `generations` holds what was written until then, one a row."""

    def __init__(self, sentence: str, generations: Sequence[Any]) -> None:
        super().__init__(sentence)
        self.generations = tuple(generations)
