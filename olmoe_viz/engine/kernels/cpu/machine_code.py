"""Machine code that outlasts the process: compiled once, not once a start."""

import logging
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from numba import config, njit
from numba.core.caching import FunctionCache

_HERE = Path(__file__).parent
_log = logging.getLogger(__name__)


def kept(function: Callable[..., Any]) -> Any:
    """Compile a function at its first call, or take what an earlier process has compiled.

    Numba looks only at the date of the function's own file; the folder is named by all of these
    files, so that a change in any of them compiles anew. Where no folder can be written, every
    process compiles for itself.
    """
    made = njit(nogil=True)(function)
    before, config.CACHE_DIR = config.CACHE_DIR, str(_folder())
    try:
        made._cache = _Kept(function)
    except RuntimeError:  # there is no place for the cache
        _log.info("%s is compiled for this process alone.", function.__name__)
    finally:
        config.CACHE_DIR = before
    return made


class _Kept(FunctionCache):
    """Numba's, for which a full disk and a damaged file are as if nothing had been kept."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # noqa: BLE001 - whatever a damaged file makes of the reader
            _log.warning("%s is compiled anew: its file is damaged.", self._name)
            with suppress(OSError):
                self.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except OSError as error:
            _log.warning("%s is not kept for the next process: %s", self._name, error)


def _folder() -> Path:
    """Return a folder beside Python's own compiled files."""
    digest = sha256()
    for path in sorted(_HERE.glob("*.py")):
        digest.update(path.read_bytes())
    return _HERE / "__pycache__" / digest.hexdigest()[:16]
