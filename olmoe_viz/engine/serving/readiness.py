"""Whether a server can answer: the model is loaded and has written a token not long ago."""

import asyncio
from itertools import count
from time import monotonic

from olmoe_viz.engine.engine import Engine, Ticket
from olmoe_viz.errors import EngineError
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.requests import GenerateRequest

FRESH = 30.0  # seconds for which one probe counts
_PATIENCE = 5.0  # seconds that one question waits for the probe
_VISITOR = "probe"


class Readiness:
    """Lets a model write one token, and remembers when it last did."""

    def __init__(self, engine: Engine, model: str) -> None:
        self._engine, self._model = engine, model
        self._seeds = count()  # another each time, so that no kept answer counts
        self._ticket: Ticket | None = None
        self._good = float("-inf")

    def begin(self) -> None:
        """Ask for a token, unless one is under way; that loads the model."""
        if self._ticket is not None and not self._ticket.done:
            return
        request = GenerateRequest(
            self._model, "Once", (RoutingPolicy(1),), max_new_tokens=1, seed=next(self._seeds)
        )
        try:
            self._ticket = self._engine.submit(request, _VISITOR)
        except EngineError:
            self._ticket = None  # the line is full: who waits in it is answered

    async def found(self) -> bool:
        """Return whether a token was written in the last seconds, or is now."""
        if monotonic() < self._good + FRESH:
            return True
        self.begin()
        ticket = self._ticket
        if ticket is None:
            return False
        await asyncio.to_thread(ticket.wait, _PATIENCE)
        if not ticket.done:
            return False
        self._ticket = None
        try:
            ticket.result(timeout=0)
        except Exception:  # noqa: BLE001 - whatever it is, the server is not ready
            return False
        self._good = monotonic()
        return True
