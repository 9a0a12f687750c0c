"""What people are told when a computation breaks off."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from olmoe_viz.errors import (
    BusyError,
    EngineError,
    InputError,
    MissingError,
    ModelError,
    OutOfMemoryError,
)
from olmoe_viz.models.catalogue import BUNDLED
from olmoe_viz.ui.session import download, state
from olmoe_viz.ui.texts import frame as texts
from olmoe_viz.ui.widgets.message import hint, refusal

# InputError is a ValueError, EngineError a RuntimeError. Streamlit's exceptions for a stop, a rerun
# and a closed tab are none of these and pass.
TROUBLE = (ValueError, RuntimeError, MemoryError, ModelError)
_log = logging.getLogger(__name__)


@contextmanager
def guard() -> Iterator[None]:
    """Say so when the engine cannot compute what this block shows; the page goes on below it.

    Every other error passes: the block computes what the page has chosen, so the fault is ours.
    """
    try:
        yield
    except (EngineError, MemoryError) as error:
        refuse(error)


def refuse(error: Exception) -> None:
    """Say in a sentence what went wrong, with what to press next; a fault goes into the log."""
    if isinstance(error, download.UnconfirmedError):
        download.ask(error)
        return
    if isinstance(error, InputError) and not state.selection().prompt:
        hint(texts.NO_PROMPT)
        return
    if not isinstance(error, ValueError | ModelError | MissingError | BusyError):
        _log.error("A computation broke off.", exc_info=error)
    refusal(sentence(error))
    if isinstance(error, ModelError) and state.selection().model != BUNDLED:
        download.ways_on()
    elif isinstance(error, EngineError | ModelError) and not isinstance(error, MissingError):
        download.again()


def sentence(error: Exception) -> str:
    """What happened and what to do; errors of the engine are sentences already."""
    if isinstance(error, OutOfMemoryError | MemoryError):
        return "The memory ran out. Shorten the prompt, choose a smaller k, or try again later."
    if isinstance(error, ValueError | EngineError | ModelError):
        return str(error)
    reason = str(error).partition("\n")[0].rstrip(".")
    return f"The model stopped: {reason}. Run again, or change the prompt."
