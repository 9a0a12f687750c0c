"""What people are told when a computation breaks off."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from olmoe_viz.ui.notice import refusal

# InputError is a ValueError, torch's own out-of-memory error and DecodingError are RuntimeErrors.
# Streamlit's exceptions for a stop, a rerun and a closed tab are none of these and pass.
TROUBLE = (ValueError, RuntimeError, MemoryError)
_log = logging.getLogger(__name__)


@contextmanager
def memory_guard() -> Iterator[None]:
    """Say so when the memory runs out in this block; the page goes on below it.

    Every other error passes: the block computes what the page has chosen, so the fault is ours.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        from olmoe_viz.models.memory import out_of_memory

        if not out_of_memory(error):
            raise
        refuse(error)


def refuse(error: Exception) -> None:
    """Say in a sentence what went wrong; what was not the visitor's input goes into the log."""
    if not isinstance(error, ValueError):
        _log.error("A computation broke off.", exc_info=error)
    refusal(sentence(error))


def sentence(error: Exception) -> str:
    """What happened and what to do; errors about input and decoding are sentences already."""
    from olmoe_viz.engine.decoding import DecodingError, first_line
    from olmoe_viz.models.memory import out_of_memory

    if isinstance(error, ValueError | DecodingError):
        return str(error)
    if out_of_memory(error):
        return "The memory ran out. Shorten the prompt, choose a smaller k, or try again later."
    return f"The model stopped: {first_line(error)}. Run again, or change the prompt."
