"""The files of a checkpoint: which there must be, whether they are whole, and their digest.

Knows nothing about what the weights mean. Only safetensors files are ever read.
"""

import hashlib
import itertools
import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from operator import index as whole_number
from pathlib import Path

_INDEX = "model.safetensors.index.json"
_SINGLE = "model.safetensors"
_SUMS = "SHA256SUMS"
_PIECE = 256 * 2**20  # bytes that one thread hashes
_BLOCK = 2**20  # bytes that it reads at a time
_AT_ONCE = min(os.cpu_count() or 1, 16)


class BadFiles(Exception):  # noqa: N818  # named for what it is, caught in one place
    """The folder holds no whole checkpoint; the text says which file is at fault."""


def weight_files(folder: Path) -> list[Path]:
    """Return the safetensors files of a checkpoint, sorted; BadFiles when one is missing or cut."""
    index = folder / _INDEX
    if index.is_file():
        names = _indexed(index)
    elif (folder / _SINGLE).is_file():
        names = {_SINGLE}
    else:
        raise BadFiles(
            f"There is neither {_SINGLE} nor {_INDEX}. Only safetensors weights are loaded."
        )
    files = [folder / name for name in sorted(names)]
    for file in files:
        if not file.is_file():
            raise BadFiles(
                f"{file.name} is missing, which {_INDEX} lists. Finish the download and try again."
            )
        _check_header(file)
    return files


def check_sums(folder: Path, weights: list[Path], *, required: bool) -> None:
    """Compare the files with the folder's SHA256SUMS, if it has or must have one; BadFiles.

    Where it is required, it must list every weight file.
    """
    sums = folder / _SUMS
    if not sums.is_file():
        if required:
            raise BadFiles(f"{_SUMS} is missing. Get the project's files again.")
        return
    listed = _listed(sums)
    for name in listed:
        if Path(name).name != name or not (folder / name).is_file():
            raise BadFiles(f"{name} is missing, which {_SUMS} lists. Get it again.")
    _compare(folder, listed)
    for file in weights:
        if required and file.name not in listed:
            raise BadFiles(f"{_SUMS} does not list {file.name}. Get the project's files again.")


def _compare(folder: Path, listed: dict[str, str]) -> None:
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        found = threads.map(_file_digest, [folder / name for name in listed])
        for (name, expected), sha256 in zip(listed.items(), found, strict=True):
            if sha256 != expected:
                raise BadFiles(f"{name} is damaged: it differs from its checksum. Get it again.")


def digest(files: list[Path]) -> str:
    """Return `sha256:` and the SHA-256 over the sorted digests of the weight files, as hex.

    The digest of a file is the SHA-256 of its bytes; of one above 256 MiB, over those of its pieces
    of that size, in lines, so that threads can share it.
    """
    with digesting(files) as result:
        return result()


@contextmanager
def digesting(files: list[Path]) -> Iterator[Callable[[], str]]:
    """Take the digest of weight files on threads of their own, while the block reads them too.

    So the files come from the disk once. Yields a function that waits for what `digest` returns.
    """
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        hashing = [
            [threads.submit(_piece_digest, file, start) for start in _starts(file)]
            for file in files
        ]
        try:
            yield lambda: _joined([_of_pieces([e.result() for e in file]) for file in hashing])
        finally:
            for each in itertools.chain(*hashing):  # those not begun, where the block has failed
                each.cancel()


def _starts(file: Path) -> range:
    return range(0, max(file.stat().st_size, 1), _PIECE)


def _of_pieces(digests: Sequence[str]) -> str:
    """Return the digest of a file from those of its pieces; of one piece, its own."""
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def _joined(digests: Sequence[str]) -> str:
    return "sha256:" + hashlib.sha256("\n".join(sorted(digests)).encode()).hexdigest()


def _listed(sums: Path) -> dict[str, str]:
    """Return the digest of each name, from lines as sha256sum writes and reads them."""
    try:
        lines = sums.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise BadFiles(f"{_SUMS} is damaged. Get it again.") from None
    listed = {}
    for line in filter(str.strip, lines):
        expected, _, name = line.strip().partition(" ")
        name = name.lstrip(" *").removeprefix("./")
        if not name:
            raise BadFiles(f"{_SUMS} is damaged: it has the line {line!r}. Get it again.")
        listed[name] = expected.lower()
    return listed


def _indexed(index: Path) -> set[str]:
    try:
        names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise BadFiles(f"{_INDEX} is damaged. Get it again.") from None
    if not names or not all(isinstance(name, str) and Path(name).name == name for name in names):
        raise BadFiles(f"{_INDEX} is damaged. Get it again.")
    return names


def _check_header(file: Path) -> None:
    """Check that the file is as long as its header says (8 bytes of length, JSON, data)."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        header = stream.read(length) if 8 + length <= size else b""
    try:
        entries = json.loads(header)
        entries.pop("__metadata__", None)
        end = max(whole_number(entry["data_offsets"][1]) for entry in entries.values())
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        raise BadFiles(
            f"{file.name} is damaged: its header is not readable. Get it again."
        ) from None
    if 8 + length + end != size:
        raise BadFiles(
            f"{file.name} is incomplete or damaged: it has {size:,} bytes, "
            f"its header says {8 + length + end:,}. Get it again."
        )


def _file_digest(file: Path) -> str:
    """Return the SHA-256 of a whole file, as sha256sum takes it."""
    if file.stat().st_size <= _PIECE:
        return _piece_digest(file, 0)
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _piece_digest(file: Path, start: int) -> str:
    status = file.stat()
    return _digest(file.resolve(), start, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=1024)
def _digest(file: Path, start: int, _changed: int, _size: int) -> str:
    """Hash a piece once per process, as long as the file's date and size stay."""
    found = hashlib.sha256()
    with file.open("rb") as stream:
        stream.seek(start)
        for _ in range(0, _PIECE, _BLOCK):
            found.update(stream.read(_BLOCK))
    return found.hexdigest()
