"""An engine of this process behind an address, until it is told to end."""

import asyncio
import socket
from ipaddress import ip_address

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from olmoe_viz.engine.serving import stream
from olmoe_viz.engine.serving.app import application
from olmoe_viz.errors import InputError
from olmoe_viz.models.catalogue import BUNDLED
from olmoe_viz.settings import Settings

_HEADER = 16 * 1024  # bytes of a request's first lines
_WAITING = 64  # connections beside those of requests: questions about health, and refusals


class Reading(H11Protocol):
    """Ends a connection whose other side has stopped to read.

    Closing it would wait for the last bytes to be taken, and so hold its place for ever. At most
    one piece of an answer waits for a reader.
    """

    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Be told of every byte that waits."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(0)

    def pause_writing(self) -> None:
        """Wait so many seconds for what is written to be taken."""
        super().pause_writing()
        self._patience = self.loop.call_later(stream.SLOW, self.transport.abort)

    def resume_writing(self) -> None:
        """Wait no longer: all was taken."""
        super().resume_writing()
        self._wait_no_longer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer: the connection is gone."""
        super().connection_lost(exc)
        self._wait_no_longer()

    def _wait_no_longer(self) -> None:
        if self._patience is not None:
            self._patience.cancel()


def server(settings: Settings, host: str, port: int) -> tuple[uvicorn.Server, socket.socket]:
    """Return a server of a LocalEngine, and the socket that it shall listen on.

    Raises InputError for an address that others can reach without a token in the settings, and
    OSError where the port is taken. Port 0 is any that is free.
    """
    if not settings.token and not _loopback(host):
        raise InputError(
            f"{host} can be reached by others, so a token is needed: set OLMOE_VIZ_TOKEN to 16 or "
            "more letters and digits, or listen on 127.0.0.1."
        )
    from olmoe_viz.engine.local import from_settings  # imports torch; an address is refused before

    config = uvicorn.Config(
        application(from_settings(settings), settings, BUNDLED),
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        http=Reading,
        ws="none",
        h11_max_incomplete_event_size=_HEADER,
        limit_concurrency=settings.line_length + _WAITING,
        timeout_graceful_shutdown=5,
    )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError:
        listening.close()
        raise
    return uvicorn.Server(config), listening


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
