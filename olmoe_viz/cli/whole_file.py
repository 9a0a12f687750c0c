"""A file that appears whole or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give the path of a file to write beside `path`, which becomes it when all went well.

    After an error or Ctrl-C there is neither; an older file at `path` is then as it was.
    """
    beside = path.with_name(f".{uuid4().hex}.part")
    try:
        yield beside
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
