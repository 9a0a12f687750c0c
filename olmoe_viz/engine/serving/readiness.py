"""Whether a server can answer: the model is loaded and has written a token not long ago."""

import asyncio
import logging
from contextlib import suppress
from itertools import count
from time import monotonic

from starlette.responses import PlainTextResponse, Response

from olmoe_viz.engine.engine import Engine, Ticket
from olmoe_viz.errors import EngineError
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.requests import GenerateRequest

READY = "/readyz"
FRESH = 30.0  # seconds for which one probe counts
IN_LINE = 120.0  # seconds more, while the next one waits its turn: a busy server is no broken one
PAUSE = 2.0  # seconds from one that failed to the next, however often is asked
_PATIENCE = 5.0  # seconds that one question waits for the probe
_VISITOR = "0"  # as one is named to an engine elsewhere; no tab has this number
_log = logging.getLogger(__name__)


class Readiness:
    """Lets a model write one token, and remembers how that went; used on one event loop alone.

    All who ask at a time wait for one probe. It says in the log why a server is not ready, since
    whoever asks need not know.
    """

    def __init__(self, engine: Engine, model: str) -> None:
        self._engine, self._model = engine, model
        self._seeds = count()  # another each time, so that no kept answer counts
        self._probe: asyncio.Task[None] | None = None
        self._ticket: Ticket | None = None
        self._good = False  # whether the last one wrote its token
        self._until = float("-inf")  # when another is due

    def begin(self) -> asyncio.Task[None]:
        """Ask for a token, unless one is under way; that loads the model."""
        if self._probe is None or self._probe.done():
            self._probe = asyncio.create_task(self._ask())
        return self._probe

    async def found(self) -> bool:
        """Return whether a token was written in the last seconds, or is now."""
        if monotonic() >= self._until:
            await asyncio.wait({self.begin()}, timeout=_PATIENCE)
        waits = self._ticket is not None and self._ticket.progress.stage == "waiting"
        return self._good and monotonic() < self._until + IN_LINE * waits

    async def _ask(self) -> None:
        request = GenerateRequest(
            self._model, "Once", (RoutingPolicy(1),), max_new_tokens=1, seed=next(self._seeds)
        )
        try:
            self._ticket = self._engine.submit(request, _VISITOR)
            await _done(self._ticket)
            self._ticket.result(timeout=0)
            self._good = True
        except EngineError as error:
            self._good = False
            _log.warning("Not ready: %s", error)
        except Exception:  # noqa: BLE001 - whatever it is, the server is not ready
            self._good = False
            _log.exception("Not ready.")
        self._until = monotonic() + (FRESH if self._good else PAUSE)


def told(ready: bool) -> Response:
    """Return the answer to whoever asks whether a server is ready."""
    return PlainTextResponse("ready\n" if ready else "not ready\n", 200 if ready else 503)


async def _done(ticket: Ticket) -> None:
    loop, changed = asyncio.get_running_loop(), asyncio.Event()

    def tell() -> None:
        with suppress(RuntimeError):  # the server has ended meanwhile
            loop.call_soon_threadsafe(changed.set)

    ticket.watch(tell)
    try:
        while not ticket.done:
            await changed.wait()
            changed.clear()
    finally:
        ticket.cancel()
