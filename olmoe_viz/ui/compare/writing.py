"""Generation of the texts: one request, whose steps are added to the columns as they come."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import cast

from streamlit.delta_generator import DeltaGenerator

from olmoe_viz.engine.engine import Ticket
from olmoe_viz.errors import CancelledError, GenerationError
from olmoe_viz.records.generation import Generation
from olmoe_viz.requests import GenerateRequest
from olmoe_viz.ui.compare.comparison import Comparison
from olmoe_viz.ui.session import answers
from olmoe_viz.ui.session.errors import TROUBLE, sentence
from olmoe_viz.ui.session.stop import touch
from olmoe_viz.ui.texts import compare as texts
from olmoe_viz.ui.texts import frame as frame_texts

STOP_TIMEOUT = 10.0  # seconds; an engine ends a cancelled request after the step that it is in
PERIOD = 0.1  # seconds, at least, from one drawing to the next
DRAWINGS = 40  # a second, at most, of all pages of this process: more would slow what they show


def write(comparison: Comparison, line: DeltaGenerator, draw: Callable[[], None]) -> None:
    """Generate the texts and call `draw` as they grow; `line` shows the progress.

    A stop, a rerun and a closed tab raise an exception at the next access of the page and end the
    request. However it ends, the comparison then has the tokens so far, and an error if there was
    one.
    """
    try:
        ticket = answers.submit(_request(comparison))
    except TROUBLE as error:
        comparison.error = _in_columns(sentence(error))
        return
    try:
        answers.wait_for_start(ticket, line)
        line.progress(0.0, text=texts.READING_PROMPT)
        _follow(ticket, comparison, line, draw)
    finally:
        ticket.cancel()
        ticket.wait(STOP_TIMEOUT)
        comparison.keep(_written(ticket, comparison), cached=ticket.cached)


def _request(comparison: Comparison) -> GenerateRequest:
    settings = comparison.settings
    return GenerateRequest(
        comparison.model,
        comparison.prompt,
        tuple(column.policy for column in comparison.columns),
        max_new_tokens=settings.new_tokens,
        temperature=settings.temperature,
        top_p=settings.top_p,
        seed=settings.seed,
    )


def _follow(
    ticket: Ticket, comparison: Comparison, line: DeltaGenerator, draw: Callable[[], None]
) -> None:
    """Every `PERIOD`, or later in a crowd: take all steps that have come and draw once.

    Ends when the request ends.
    """
    taken, again = 0, 0.0
    with _pages.one_more():
        while not ticket.wait(PERIOD):
            touch()
            if ticket.progress.stage == "restarting":
                line.caption(frame_texts.RESTARTING)
            if time.monotonic() < again:
                continue
            steps = ticket.new_steps(taken, timeout=0)
            taken += len(steps)
            for step in steps:
                comparison.take(step)
            if steps:
                draw()
                share = min(comparison.written / comparison.settings.new_tokens, 1.0)
                line.progress(share, text=comparison.progress)
                again = time.monotonic() + _pages.pause()


class _Pages:
    """The pages of this process on which texts grow."""

    def __init__(self) -> None:
        self._count, self._lock = 0, Lock()

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """Count a page while its texts grow."""
        self._add(1)
        try:
            yield
        finally:
            self._add(-1)

    def pause(self) -> float:
        """How many seconds a page lets pass after a drawing, besides `PERIOD`."""
        return max(self._count / DRAWINGS - PERIOD, 0.0)

    def _add(self, number: int) -> None:
        with self._lock:
            self._count += number


_pages = _Pages()


def _written(ticket: Ticket, comparison: Comparison) -> tuple[Generation, ...]:
    """The records of the columns, complete or up to the last token."""
    try:
        return cast("tuple[Generation, ...]", ticket.result(timeout=0))
    except CancelledError as error:
        return error.generations
    except GenerationError as error:
        comparison.error = _in_columns(str(error))
        return error.generations
    except TimeoutError:
        return ()
    except TROUBLE as error:
        comparison.error = _in_columns(sentence(error))
        return ()


def _in_columns(words: str) -> str:
    """Put an error of the engine, which names rows, in terms of the page's columns."""
    return re.sub(r"\brow(s?)\b", r"column\1", words)
