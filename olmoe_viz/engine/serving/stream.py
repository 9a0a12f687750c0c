"""One answer as it is sent: what a ticket tells, until it is done or nobody listens any more."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress

from starlette.types import Receive, Scope, Send

from olmoe_viz.engine.engine import Ticket
from olmoe_viz.engine.serving import wire
from olmoe_viz.engine.serving.metrics import Metrics

PERIOD = 0.05  # seconds, at least, between two pieces: steps are sent in chunks
HEARTBEAT = 10.0  # seconds, at most, so that no proxy takes a long wait for a dead one
SLOW = 60.0  # seconds in which a reader must take a piece
_PIECE = 2**20
_LOOK = 0.5  # how often progress is looked at that no step tells of


class AnswerStream:
    """An ASGI response. Closing the connection cancels the ticket, and so does not reading."""

    def __init__(self, ticket: Ticket, metrics: Metrics) -> None:
        self._ticket, self._metrics = ticket, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        """Send the frames of docs/protocol.md."""
        loop, changed = asyncio.get_running_loop(), asyncio.Event()

        def tell() -> None:
            with suppress(RuntimeError):  # the server has ended meanwhile
                loop.call_soon_threadsafe(changed.set)

        self._ticket.watch(tell)
        gone = asyncio.create_task(_gone(receive, changed))
        try:
            async with asyncio.timeout(None) as patience:
                await self._send_all(send, changed, gone, patience)
        except (OSError, TimeoutError):
            self._metrics.dropped += 1
        finally:
            gone.cancel()
            self._ticket.cancel()
            self._metrics.leave(self._ticket)

    async def _send_all(
        self,
        send: Send,
        changed: asyncio.Event,
        gone: asyncio.Task[None],
        patience: asyncio.Timeout,
    ) -> None:
        loop, ticket = asyncio.get_running_loop(), self._ticket
        headers = [(b"content-type", b"application/octet-stream"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        taken, said, last = 0, None, 0.0
        while not gone.done():
            changed.clear()
            done = ticket.done  # looked at first, so that no step is missed
            steps = ticket.new_steps(taken, timeout=0)
            taken += len(steps)
            frames = [wire.steps(steps)] if steps else []
            progress = ticket.progress
            if not done and (progress != said or loop.time() > last + HEARTBEAT):
                frames.append(wire.progress(progress))
                said = progress
            if done:
                frames += await asyncio.to_thread(lambda: list(wire.ending(ticket)))
            self._metrics.count(steps)
            for piece in _pieces(frames):
                last = loop.time()
                patience.reschedule(last + SLOW)
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            patience.reschedule(None)
            if done:
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                return
            await asyncio.sleep(PERIOD)
            with suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), _LOOK)


def _pieces(frames: Iterable[bytes]) -> Iterable[bytes]:
    """Yield what is sent at a time: small frames together, large ones in parts."""
    data = b"".join(frames)
    for start in range(0, len(data), _PIECE):
        yield data[start : start + _PIECE]


async def _gone(receive: Receive, changed: asyncio.Event) -> None:
    """Wait until nobody listens any more."""
    while (await receive())["type"] != "http.disconnect":
        pass
    changed.set()
