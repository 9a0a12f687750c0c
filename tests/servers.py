"""Servers that a test starts and ends."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar

_T = TypeVar("_T")
_SOON = 120.0  # seconds that something may take on a busy machine
# What Streamlit prints once it listens.
_LISTENS = re.compile(r"URL: (http://127\.0\.0\.1:\d+)")


@contextmanager
def started(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """Yield the address of the application that a command serves; it ends with the block.

    Raises AssertionError with what the command printed where it ends without listening.
    """
    server = subprocess.Popen(
        command,
        cwd=folder,
        env={**environment, **_settings()},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert server.stdout is not None
    # The rest is read too: a server waits where nobody takes what it prints.
    rest = Thread(target=deque, args=(server.stdout, 0))
    with server:
        try:
            address = _address(server.stdout)
            rest.start()
            yield address
        finally:
            # The whole group: make and a shell have the server as their child.
            os.killpg(server.pid, signal.SIGTERM)
            if rest.ident is not None:
                rest.join()


def in_own_loop(work: Coroutine[Any, Any, _T]) -> _T:
    """Return what it gives; on a thread, as that of the tests may have Playwright's loop."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def until(true: Callable[[], bool]) -> None:
    """Wait until something is so; AssertionError when it is not after two minutes."""
    end = time.monotonic() + _SOON
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _settings() -> dict[str, str]:
    settings = {"PORT": str(free_port()), "ADDRESS": "127.0.0.1", "HEADLESS": "true"}
    return {f"STREAMLIT_SERVER_{name}": value for name, value in settings.items()}


def _address(output: Iterable[str]) -> str:
    said = []
    for line in output:
        said.append(line)
        if listens := _LISTENS.search(line):
            return listens[1]
    raise AssertionError(f"The server ended before it listened: {''.join(said)}")


def answers(address: str) -> bool:
    """Tell whether there is an answer at the address, and a good one."""
    try:
        with urllib.request.urlopen(address, timeout=60) as answer:  # noqa: S310 - our own server
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
