"""RemoteEngine: requests answered by a server elsewhere, by the protocol of docs/protocol.md.

Loads no torch. All answers of an engine arrive on one thread with an event loop.
"""

import asyncio
import json
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx2

from olmoe_viz import requests
from olmoe_viz.engine.engine import Answer, Progress, Ticket
from olmoe_viz.engine.result_cache import ResultCache
from olmoe_viz.engine.serving import wire
from olmoe_viz.engine.serving.wire import ANSWERS
from olmoe_viz.errors import CancelledError, EngineError, InputError, LostError
from olmoe_viz.records.generation import Step
from olmoe_viz.records.record import Record
from olmoe_viz.requests import BandwidthRequest, Request, TimeRequest

TRIES = 3
_PAUSE = 0.5  # seconds before a request is begun again, doubled each time
_SILENCE = 60.0  # seconds without a byte, of which the server sends one every ten
_CONNECT = 10.0
_LONGEST_REFUSAL = 64 * 1024  # bytes
_NEVER_KEPT = (TimeRequest, BandwidthRequest)


@dataclass(frozen=True)
class Endpoint:
    """Where a server is, and what it wants to be shown."""

    address: str
    token: str = ""


class RemoteEngine:
    """Asks a server. A request whose connection breaks is begun again, `TRIES` times in all.

    It then goes on where the reader was: the same request gives the same text, and where it does
    not, that is an error. `endpoint` is asked each time, on a thread of its own, where the server
    is. Answers are kept up to `kept_bytes`. Errors come with the ticket's result, BusyError too;
    LostError when every try has ended without an answer.
    """

    def __init__(self, endpoint: Callable[[], Endpoint], kept_bytes: int = 256 * 2**20) -> None:
        self._endpoint, self._cache = endpoint, ResultCache(kept_bytes)
        self._loop = asyncio.new_event_loop()
        self._client: httpx2.AsyncClient | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, name="remote", daemon=True)
        self._thread.start()

    def submit(self, request: Request, visitor: str = "") -> Ticket:
        """Take a request and return at once."""
        ticket = Ticket(request)
        kept = self.kept(request)
        if kept is not None:
            ticket.finish(kept, cached=True)
            return ticket
        asyncio.run_coroutine_threadsafe(self._follow(ticket, visitor), self._loop)
        return ticket

    def kept(self, request: Request) -> Answer | None:
        """Return the answer to a request if it was given before and is still there."""
        return self._cache.find(request)

    def close(self) -> None:
        """Leave all requests and end the thread."""

        async def leave() -> None:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            if self._client is not None:
                await self._client.aclose()

        if self._thread.is_alive():
            with suppress(TimeoutError):
                asyncio.run_coroutine_threadsafe(leave(), self._loop).result(_CONNECT)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_CONNECT)
            self._loop.close()

    async def _follow(self, ticket: Ticket, visitor: str) -> None:
        """Ask until there is an answer or an error; whoever waits on the ticket is told."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - this is one

        def stop() -> None:
            self._loop.call_soon_threadsafe(task.cancel)

        reader = _Reader(ticket, stop)
        ticket.advance(Progress("waiting"), on_cancel=stop)
        try:
            ticket.check()
            await self._all_tries(reader, visitor)
            reader.end()
        except asyncio.CancelledError:
            ticket.fail(CancelledError("The request was cancelled."))
        except Exception as error:  # noqa: BLE001 - told to whoever waits
            damaged = isinstance(error, ValueError) and not isinstance(error, InputError)
            ticket.fail(
                EngineError(f"What the server sent is damaged: {error}") if damaged else error
            )

    async def _all_tries(self, reader: "_Reader", visitor: str) -> None:
        for number in range(TRIES):
            if number:
                reader.begin_again()
                await asyncio.sleep(_PAUSE * 2 ** (number - 1))
            if await self._asked(reader, visitor):
                break
        else:
            raise LostError(
                "The engine ended while it computed this, and so it did when it was begun again. "
                "Shorten the text, or try again later."
            )
        request = reader.ticket.request
        if reader.answer is not None and not isinstance(request, _NEVER_KEPT):
            self._cache.keep(request, reader.answer)

    async def _asked(self, reader: "_Reader", visitor: str) -> bool:
        """Ask once; whether the answer came to its end. Errors are the server's refusals."""
        try:
            endpoint = await asyncio.to_thread(self._endpoint)
            async with self._http().stream(
                "POST",
                endpoint.address.rstrip("/") + ANSWERS,
                content=requests.to_json(reader.ticket.request).encode(),
                headers=_headers(endpoint, visitor),
            ) as response:
                if response.status_code != 200:
                    return await _refused(response)
                frames = wire.Frames()
                async for piece in response.aiter_bytes():
                    for kind, data in frames.feed(piece):
                        reader.take(kind, data)
        except (httpx2.TransportError, httpx2.StreamError, OSError):
            return False
        return reader.ended

    def _http(self) -> httpx2.AsyncClient:
        if self._client is None:
            self._client = httpx2.AsyncClient(
                timeout=httpx2.Timeout(_SILENCE, connect=_CONNECT),
                limits=httpx2.Limits(max_connections=None, max_keepalive_connections=20),
                trust_env=False,
            )
        return self._client


def connect(address: str, token: str = "", kept_bytes: int = 256 * 2**20) -> RemoteEngine:
    """Return an engine whose requests a server answers, `olmoe-viz serve` or a cluster of it.

    Raises ValueError for an address that is none of http or https. Whether somebody answers there
    shows with the first request.
    """
    if not address.startswith(("http://", "https://")):
        raise ValueError(f"An address begins with http:// or https://, not {address[:40]!r}.")
    endpoint = Endpoint(address, token)
    return RemoteEngine(lambda: endpoint, kept_bytes)


class _Reader:
    """What has arrived of one answer, over all tries."""

    def __init__(self, ticket: Ticket, stop: Callable[[], None]) -> None:
        self.ticket, self._stop = ticket, stop
        self.ended = False
        self.answer: Answer | None = None
        self._cached = False
        self._error: Exception | None = None
        self._taken: list[Any] = []  # the steps that the reader has
        self._again = 0  # how many of them have come again
        self._records: list[Record] = []

    def begin_again(self) -> None:
        """Another try: what comes first is what the reader has."""
        self._again = 0
        self._records = []
        self.ticket.advance(Progress("restarting"), on_cancel=self._stop)

    def take(self, kind: bytes, data: bytes) -> None:
        """Take a frame; ValueError for one that is damaged."""
        if kind == wire.PROGRESS:
            self.ticket.advance(wire.read_progress(data), on_cancel=self._stop)
        elif kind == wire.STEPS:
            for step in wire.read_steps(data):
                self._step(step)
        elif kind == wire.RECORD:
            self._records.append(wire.read_record(data))
        elif kind == wire.DONE:
            self.answer, self._cached = wire.read_answer(data, self._records)
            self.ended = True
        elif kind == wire.ERROR:
            self._error, self.ended = wire.read_error(data, self._records), True
        else:
            raise EngineError("The server speaks another version of the protocol.")

    def end(self) -> None:
        """Tell whoever waits on the ticket how it ended."""
        if self.answer is not None:
            self.ticket.finish(self.answer, cached=self._cached)
        else:
            self.ticket.fail(self._error or EngineError("The server sent no answer."))

    def _step(self, step: Any) -> None:
        """Pass on a step, unless the reader has it from a try before."""
        if isinstance(step, Step) and step.index < 0:
            return self.ticket.add_step(step) if not self._taken else None
        place, self._again = self._again, self._again + 1
        if place == len(self._taken):
            self._taken.append(step)
            return self.ticket.add_step(step)
        if isinstance(step, Step) and _tokens(step) != _tokens(self._taken[place]):
            raise EngineError("The text began differently when it was begun again. Run again.")
        return None


def _tokens(step: Step) -> list[int | None]:
    return [row.token_id for row in step.rows]


def _headers(endpoint: Endpoint, visitor: str) -> dict[str, str]:
    headers = {"content-type": "application/json", "accept-encoding": "identity"}
    if visitor:
        headers["olmoe-visitor"] = visitor
    if endpoint.token:
        headers["authorization"] = f"Bearer {endpoint.token}"
    return headers


async def _refused(response: httpx2.Response) -> bool:
    """Raise what a server of ours says; False for what something before it says, which may pass."""
    said = bytearray()
    async for piece in response.aiter_bytes():
        said += piece
        if len(said) > _LONGEST_REFUSAL:
            break
    try:
        told = json.loads(said)
    except (ValueError, RecursionError):
        told = None
    if isinstance(told, dict) and "sentence" in told:
        raise wire.read_error(bytes(said))
    if response.status_code >= 500:
        return False
    raise EngineError(f"The server refused this with status {response.status_code}.")
