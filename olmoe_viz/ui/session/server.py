"""What the server of the pages answers beside the pages, and what it does when it starts.

Read once, before there is a session: no widget may be declared here.
"""

import threading
import webbrowser
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache

import streamlit as st
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from streamlit.web.server.server_util import get_display_address, get_url

from olmoe_viz.engine.serving.readiness import READY, Readiness, told
from olmoe_viz.models.catalogue import BUNDLED
from olmoe_viz.ui.session import engine


@asynccontextmanager
async def lifespan(_: object) -> AsyncIterator[None]:
    """Open a browser, unless that is switched off: a server with routes of its own opens none."""
    if not st.get_option("server.headless"):
        where = get_url(get_display_address(st.get_option("server.address") or "localhost"))
        threading.Thread(target=webbrowser.open, args=(where,), daemon=True).start()
    yield


async def _ready(_: Request) -> Response:
    """Say whether a model is there and writes; where none computes, the records are all it takes.

    The first who asks starts the engine, as the first visitor does who wants something computed.
    """
    there = engine.records_only() or engine.started(0)
    return told(there and (engine.records_only() or await _readiness().found()))


@cache
def _readiness() -> Readiness:
    return Readiness(engine.current(), BUNDLED)


ROUTES = (Route(READY, _ready, methods=["GET"]),)
