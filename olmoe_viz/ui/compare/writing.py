"""The writing of a comparison: one request, whose steps go into the columns at the page's pace."""

import re
from collections.abc import Callable
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

PATIENCE = 10.0  # seconds; an engine ends a cancelled request after the step that it is in
_PAUSE = 0.1  # seconds between two drawings: each can take longer than a token of a small model


def write(comparison: Comparison, line: DeltaGenerator, draw: Callable[[], None]) -> None:
    """Let the texts be written and `draw` them as they grow; `line` says how far they are.

    A stop, a rerun and a closed tab come through at each touch of the page and end the writing.
    However it ends, the comparison then has what was written, and hears what went wrong.
    """
    try:
        ticket = answers.submit(_request(comparison))
    except TROUBLE as error:
        comparison.trouble = _in_columns(sentence(error))
        return
    try:
        answers.wait_for_start(ticket, line)
        line.progress(0.0, text="Reading the prompt.")
        _follow(ticket, comparison, line, draw)
    finally:
        ticket.cancel()
        ticket.wait(PATIENCE)
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
    """Take all steps that have come, then draw once, until there are no more."""
    taken = 0
    while not ticket.wait(_PAUSE):
        touch()
        steps = ticket.new_steps(taken, timeout=0)
        taken += len(steps)
        for step in steps:
            comparison.take(step)
        if steps:
            draw()
            share = min(comparison.written / comparison.settings.new_tokens, 1.0)
            line.progress(share, text=comparison.progress)


def _written(ticket: Ticket, comparison: Comparison) -> tuple[Generation, ...]:
    """The records of the columns, whole or as far as they were written."""
    try:
        return cast("tuple[Generation, ...]", ticket.result(timeout=0))
    except CancelledError as error:
        return error.generations
    except GenerationError as error:
        comparison.trouble = _in_columns(str(error))
        return error.generations
    except TimeoutError:
        return ()
    except TROUBLE as error:
        comparison.trouble = _in_columns(sentence(error))
        return ()


def _in_columns(words: str) -> str:
    """An error of the engine speaks of rows, which the page shows as columns."""
    return re.sub(r"\brow(s?)\b", r"column\1", words)
