"""An engine of this process behind an address, until it is told to end."""

import socket
from ipaddress import ip_address

import uvicorn

from olmoe_viz.engine.serving.app import application
from olmoe_viz.errors import InputError
from olmoe_viz.models.catalogue import BUNDLED
from olmoe_viz.settings import Settings

_HEADER = 16 * 1024  # bytes of a request's first lines
_WAITING = 64  # connections beside those of requests: questions about health, and refusals


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
        http="h11",
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
