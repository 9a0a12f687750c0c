"""The ASGI application: any engine behind HTTP. docs/protocol.md says what it answers."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from olmoe_viz import requests
from olmoe_viz.engine.admission import Admission
from olmoe_viz.engine.engine import Engine
from olmoe_viz.engine.serving import limits, wire
from olmoe_viz.engine.serving.limits import Refused
from olmoe_viz.engine.serving.metrics import Metrics
from olmoe_viz.engine.serving.readiness import READY, Readiness, told
from olmoe_viz.engine.serving.stream import AnswerStream
from olmoe_viz.errors import EngineError, InputError
from olmoe_viz.settings import Settings

ALIVE, METRICS = "/livez", "/metrics"
LOCAL_HOSTS = ["127.0.0.1", "localhost"]

_JSON = "application/json"


def application(engine: Engine, settings: Settings, ready_for: str) -> Starlette:
    """Return the application that answers for an engine.

    Without a token in the settings it answers only who calls it by a name of this machine, so that
    no page of the web can ask in a visitor's browser. `ready_for` names the model of `/readyz`.
    """
    server = _Server(engine, settings, ready_for)
    local = [Middleware(TrustedHostMiddleware, allowed_hosts=LOCAL_HOSTS)]
    return Starlette(
        routes=[
            Route(wire.ANSWERS, server.answer, methods=["POST"]),
            Route(METRICS, server.metrics, methods=["GET"]),
            Route(READY, server.ready, methods=["GET"]),
            Route(ALIVE, server.alive, methods=["GET"]),
        ],
        middleware=[] if settings.token else local,
        exception_handlers=dict.fromkeys((Refused, InputError, EngineError), server.refuse),
        lifespan=server.lifespan,
    )


class _Server:
    def __init__(self, engine: Engine, settings: Settings, ready_for: str) -> None:
        self._engine, self._settings = engine, settings
        self._admission = Admission(settings)
        self._counts = Metrics()
        self._readiness = Readiness(engine, ready_for)

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        """Load the model before anybody asks for it."""
        self._readiness.begin()
        yield

    async def answer(self, request: Request) -> AnswerStream:
        """Take a request, and return its answer as it comes."""
        limits.check_token(request, self._settings.token)
        limits.check_header(request)
        visitor = limits.visitor(request)
        text = await limits.body(request)
        asked = requests.from_json(text)
        self._admission.check(asked, visitor)
        ticket = self._engine.submit(asked, visitor)
        self._counts.enter(ticket)
        return AnswerStream(ticket, self._counts)

    async def metrics(self, request: Request) -> Response:
        """Say what was counted."""
        limits.check_token(request, self._settings.token)
        return PlainTextResponse(self._counts.text())

    async def ready(self, _: Request) -> Response:
        """Say whether the model is there and writes."""
        return told(await self._readiness.found())

    async def alive(self, _: Request) -> Response:
        """Say that this process answers."""
        return PlainTextResponse("alive\n")

    async def refuse(self, _: Request, error: Exception) -> Response:
        """Answer with a status and a sentence what is not computed."""
        status, wait = 503, getattr(error, "retry_after", None)
        if isinstance(error, Refused):
            status = error.status
        elif isinstance(error, InputError):
            status = 422
        self._counts.refused[status] += 1
        headers = {} if wait is None else {"retry-after": str(max(round(wait), 1))}
        if status == 401:
            headers["www-authenticate"] = "Bearer"
        return Response(json.dumps(wire.told(error)), status, headers, media_type=_JSON)
