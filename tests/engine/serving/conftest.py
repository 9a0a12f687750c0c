"""A server of an engine that a test moves by hand, and one of a tiny model."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
import uvicorn
from starlette.applications import Starlette

from olmoe_viz import LocalEngine
from olmoe_viz.engine.remote import Endpoint, RemoteEngine, connect
from olmoe_viz.engine.serving.app import application
from olmoe_viz.engine.serving.listening import Reading
from olmoe_viz.models import catalogue
from olmoe_viz.models.model import Model
from olmoe_viz.settings import Settings

SOON = 60.0  # seconds that a thread may take on a busy machine
TOKEN = "a-token-of-a-test-0123"  # noqa: S105 - of a test


@contextmanager
def listening(app: Starlette) -> Iterator[str]:
    """Serve an application on a free port of this machine; yield its address."""
    up = threading.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets=None) -> None:
            await super().startup(sockets)
            up.set()

    # Streams of a test that are still open are not waited for.
    server = Server(
        uvicorn.Config(app, port=0, log_level=60, http=Reading, timeout_graceful_shutdown=0)
    )
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    assert up.wait(SOON)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(SOON)


@pytest.fixture(scope="module")
def tiny_offered(model: Model) -> Iterator[None]:
    """Let servers offer the tiny model too."""
    entry = catalogue.Entry(model.name, None, None, "Tiny.", 96)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalogue, "CATALOGUE", (*catalogue.CATALOGUE, entry))
        yield


@pytest.fixture(scope="module")
def local(model: Model) -> LocalEngine:
    return LocalEngine(model)


@pytest.fixture(scope="module")
def address(local: LocalEngine, model: Model, tiny_offered: None) -> Iterator[str]:
    """Return where a server of the tiny model listens."""
    with listening(application(local, Settings(), model.name)) as found:
        yield found


@pytest.fixture
def connected() -> Iterator[Callable[..., RemoteEngine]]:
    """Return a function that connects to an address, or to what a function says."""
    with ExitStack() as stack:

        def make(address: str | Callable[[], Endpoint], token: str = "") -> RemoteEngine:
            known = isinstance(address, str)
            engine = connect(address, token) if known else RemoteEngine(address)
            stack.callback(engine.close)
            return engine

        yield make


@pytest.fixture
def remote(address: str, connected: Callable[..., RemoteEngine]) -> RemoteEngine:
    """Return an engine that asks the server of the tiny model."""
    return connected(address)


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """Return a function that serves an engine and returns the address."""
    with ExitStack() as stack:
        yield lambda engine, model="olmoe-nano", **values: stack.enter_context(
            listening(application(engine, Settings(**values), model))
        )
