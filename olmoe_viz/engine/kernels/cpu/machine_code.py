"""Machine code that outlasts the process: compiled once, not once a start."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from numba import config, njit

_HERE = Path(__file__).parent


def kept(function: Callable[..., Any]) -> Any:
    """Compile a function at its first call, or take what an earlier process has compiled.

    Numba looks only at the date of the function's own file; the folder is named by all of these
    files, so that a change in any of them compiles anew. Where no folder can be written, every
    process compiles for itself.
    """
    before, config.CACHE_DIR = config.CACHE_DIR, str(_folder())
    try:
        return njit(cache=True, nogil=True)(function)
    except RuntimeError:  # there is no place for the cache
        return njit(nogil=True)(function)
    finally:
        config.CACHE_DIR = before


def _folder() -> Path:
    """Return a folder beside Python's own compiled files."""
    digest = sha256()
    for path in sorted(_HERE.glob("*.py")):
        digest.update(path.read_bytes())
    return _HERE / "__pycache__" / digest.hexdigest()[:16]
