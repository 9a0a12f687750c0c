"""The running application with its engine here, so that what its visitors do is seen on both sides.

A browser that is killed sends no word of goodbye: its connection is reset in the middle of a text.
"""

import asyncio
import os
import sys
from collections.abc import Iterator

import pytest
from websockets.exceptions import ConnectionClosed

from benchmarks.visitors import Visitor
from olmoe_viz import LocalEngine
from olmoe_viz.engine.engine import Ticket
from olmoe_viz.engine.serving.app import application
from olmoe_viz.models.model import Model
from olmoe_viz.requests import GenerateRequest, Request
from olmoe_viz.settings import Settings, variable
from tests.engine.serving.conftest import SOON, listening
from tests.servers import answers, in_own_loop, started, until
from tests.ui.visitor import ROOT

# No token of the first ends the text: its prompt is a repetition, and nothing is drawn by lot.
ENDLESS = {"tokens": 512, "columns": "k=8~k=16", "prompt": "1 2 1 2 1 2 1 2"}
SHORT = {"tokens": 20, "columns": "k=8~k=16", "prompt": "One day", "temperature": 0.9, "seed": 4}


class Watching:
    """An engine; notes its texts, and how much of each was written when it was cancelled."""

    def __init__(self, engine: LocalEngine) -> None:
        self._engine = engine
        self.texts: list[Ticket] = []
        self.at_cancel: dict[int, int] = {}

    def submit(self, request: Request, visitor: str = "") -> Ticket:
        ticket = self._engine.submit(request, visitor)
        if isinstance(request, GenerateRequest) and visitor != "0":
            self._watch(ticket, len(self.texts))
            self.texts.append(ticket)
        return ticket

    def _watch(self, ticket: Ticket, number: int) -> None:
        cancel = ticket.cancel

        def counting() -> None:
            self.at_cancel.setdefault(number, len(ticket.new_steps(0, timeout=0)))
            cancel()

        ticket.cancel = counting  # type: ignore[method-assign]


@pytest.fixture
def engine(bundled: Model) -> Watching:
    return Watching(LocalEngine(bundled))


@pytest.fixture
def pages(engine: Watching) -> Iterator[str]:
    """Return the address of the application."""
    command = [sys.executable, "-m", "streamlit", "run", "app.py"]
    with (
        listening(application(engine, Settings(), "olmoe-nano")) as address,
        started(command, ROOT, os.environ | {variable("engine"): address}) as found,
    ):
        yield found


def test_a_killed_browser_frees_its_rows_and_the_others_texts_go_on(
    pages: str, engine: Watching
) -> None:
    until(lambda: answers(f"{pages}/readyz"))

    async def visit() -> list[str]:
        killed, other = Visitor(pages, ENDLESS), Visitor(pages, SHORT)
        await asyncio.gather(killed.open(), other.open())
        writing = asyncio.create_task(killed.generate(2))
        while not engine.texts or not engine.texts[0].new_steps(0, timeout=0):
            await asyncio.sleep(0.01)
        heard = asyncio.create_task(other.generate(2))
        killed.kill()
        with pytest.raises(ConnectionClosed):
            await writing
        texts = (await heard).texts
        await other.close()
        return list(texts.values())

    texts = in_own_loop(visit())
    endless, short = engine.texts
    assert endless.wait(SOON)
    written = len(endless.new_steps(0, timeout=0))
    assert written < 512
    assert written <= engine.at_cancel[0] + 2  # the step that was running, and the last word of it
    assert texts == [text.text for text in short.result(SOON)]
