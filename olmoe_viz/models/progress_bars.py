"""The progress bars of transformers, which it prints while a model is loaded."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from transformers import utils

_logging: Any = utils.logging  # its functions have no types


@contextmanager
def for_people() -> Iterator[None]:
    """Keep the bars out of what is not a terminal, where each is one long line."""
    shown = _logging.is_progress_bar_enabled()
    if shown and not sys.stderr.isatty():
        _logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            _logging.enable_progress_bar()
