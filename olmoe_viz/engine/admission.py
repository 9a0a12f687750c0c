"""Who gets in: what an operator's limits refuse, before anything is computed or loaded.

How long a prompt is in tokens only the model's tokenizer knows; here texts are refused that would
be too long in any case. Loads no torch.
"""

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from threading import Lock

from olmoe_viz.errors import BusyError, InputError
from olmoe_viz.models import offered
from olmoe_viz.requests import (
    ChatMessage,
    GenerateRequest,
    PatchRequest,
    Request,
    Text,
    TimeRequest,
)
from olmoe_viz.settings import Settings

_VISITORS = 10_000  # whose requests are counted; who asked longest ago is forgotten
_LONGEST_TOKEN = 256  # characters; no text has fewer tokens than its length over this
_MOST_RUNS = 20  # of a measurement of time
_MOST_POLICIES = 16  # of what is only read
# Of one request: every cell of 1,024 tokens in 16 layers, as often patches; tokens looked at.
_PARTS, _MOST_PARTS = ("cells", "patches", "tokens", "token_ids", "continuation"), 16_384
_MINUTE = 60.0


class Admission:
    """Holds requests to the limits of the settings; threads may share it."""

    def __init__(
        self,
        settings: Settings,
        clock: Callable[[], float] = time.monotonic,
        offers: Callable[[str], object] = offered.find,
    ) -> None:
        self._settings, self._clock, self._offers = settings, clock, offers
        self._asked: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = Lock()

    def check(self, request: Request, visitor: str) -> None:
        """Let a request pass and count it for its visitor.

        Raises InputError for a model that is not offered and for a request above a limit, and
        BusyError for a visitor who has asked too often in the last minute.
        """
        if not self._offers(request.model):
            raise InputError(f"This server does not offer {request.model[:100]!r}.")
        for text in _texts(request):
            _check_text(text, self._settings.prompt_tokens)
        self._check_size(request)
        self._count(visitor)

    def _check_size(self, request: Request) -> None:
        limits = self._settings
        most = limits.columns if isinstance(request, GenerateRequest) else _MOST_POLICIES
        rows = len(getattr(request, "policies", ()))
        if rows > most:
            raise InputError(f"At most {most} rows can be asked for at once, not {rows}.")
        for name in _PARTS:
            if len(getattr(request, name, ())) > _MOST_PARTS:
                raise InputError(f"At most {_MOST_PARTS:,} {name} can be asked for at once.")
        new = (
            request.max_new_tokens
            if isinstance(request, GenerateRequest)
            else getattr(request, "new_tokens", 0)
        )
        if new > limits.new_tokens:
            raise InputError(
                f"At most {limits.new_tokens:,} tokens can be generated here, not {new:,}."
            )
        if isinstance(request, TimeRequest) and request.runs > _MOST_RUNS:
            raise InputError(f"At most {_MOST_RUNS} runs can be timed, not {request.runs:,}.")

    def _count(self, visitor: str) -> None:
        most, now = self._settings.requests_per_minute, self._clock()
        with self._lock:
            asked = self._asked.setdefault(visitor, deque())
            self._asked.move_to_end(visitor)
            while asked and asked[0] <= now - _MINUTE:
                asked.popleft()
            if len(asked) >= most:
                wait = asked[0] + _MINUTE - now
                raise BusyError(
                    f"You have asked {most} times in a minute, which is as often as this server "
                    f"answers one visitor. Try again in {wait:.0f} seconds.",
                    retry_after=wait,
                )
            asked.append(now)
            while len(self._asked) > _VISITORS:
                self._asked.popitem(last=False)


def _texts(request: Request) -> tuple[Text, ...]:
    """Return the texts that a request is about, its run's where it is for details."""
    if isinstance(request, PatchRequest):
        return request.source.text, request.target.text
    run = getattr(request, "run", request)
    if isinstance(run, GenerateRequest):
        return (run.prompt,)
    text: Text = getattr(run, "text", ())
    return (text,)


def _check_text(text: Text, most: int) -> None:
    written = text.content if isinstance(text, ChatMessage) else text
    longest = most if isinstance(written, tuple) else most * _LONGEST_TOKEN
    if len(written) > longest:
        unit = "tokens" if isinstance(written, tuple) else "characters"
        raise InputError(
            f"The text has {len(written):,} {unit}; this server reads at most {most:,} tokens. "
            "Shorten it."
        )
