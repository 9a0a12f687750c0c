"""ChildEngine: a LocalEngine in a process of its own, which is started again when it ends.

The pages then share no interpreter lock with it, none of them is lost with it, and a large model is
given back whole by ending it. Spawned, with a one-time token, on a port of this machine alone.
"""

import atexit
import json
import logging
import os
import secrets
import subprocess
import sys
import threading
from pathlib import Path
from time import monotonic

import olmoe_viz
from olmoe_viz.engine.engine import Answer, Ticket
from olmoe_viz.engine.remote import Endpoint, RemoteEngine
from olmoe_viz.errors import EngineError
from olmoe_viz.models.catalogue import BUNDLED
from olmoe_viz.requests import Request
from olmoe_viz.settings import Settings

_PATIENCE = 5.0  # seconds to end by itself

_log = logging.getLogger(__name__)


class ChildEngine:
    """Starts the process with the first request, and again with the first after it has ended.

    A request that was under way is begun again, as `RemoteEngine` says. `idle_seconds` after the
    last request to a large model the process ends, if nothing else is asked then.
    """

    def __init__(self, settings: Settings) -> None:
        self._idle = float(settings.idle_seconds)
        self._process: subprocess.Popen[str] | None = None
        self._endpoint = Endpoint("")
        self._lock = threading.Lock()
        self._open: list[Ticket] = []
        self._large_since: float | None = None  # when a large model was last asked for
        self._timer: threading.Timer | None = None
        self._remote = RemoteEngine(self._running, settings.kept_mb * 2**20)
        atexit.register(self.close)

    def submit(self, request: Request, visitor: str = "") -> Ticket:
        """Take a request and return at once; see `RemoteEngine.submit`."""
        ticket = self._remote.submit(request, visitor)
        with self._lock:
            self._open = [each for each in self._open if not each.done] + [ticket]
            if request.model != BUNDLED:
                self._large_since = monotonic()
                self._wait(self._idle)
        return ticket

    def kept(self, request: Request) -> Answer | None:
        """Return the answer to a request if it was given before and is still there."""
        return self._remote.kept(request)

    @property
    def pid(self) -> int | None:
        """The number of the process, while there is one."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def close(self) -> None:
        """End the process and the requests that are under way."""
        atexit.unregister(self.close)
        self._remote.close()
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            self._end()

    def _running(self) -> Endpoint:
        """Return where the process listens; start it if there is none."""
        with self._lock:
            process = self._process
            if process is not None and process.poll() is not None:
                _log.error("The engine's process ended with %s; starting it.", process.returncode)
                self._end()
            if self._process is None:
                self._start()
            return self._endpoint

    def _start(self) -> None:
        token = secrets.token_urlsafe(32)
        found_in = [str(Path(olmoe_viz.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
        self._process = process = subprocess.Popen(
            [sys.executable, "-m", "olmoe_viz.engine.serving.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, found_in))},
        )
        assert process.stdin is not None and process.stdout is not None  # noqa: PT018, S101 - pipes
        try:
            process.stdin.write(json.dumps({"token": token}) + "\n")
            process.stdin.flush()
            port = int(json.loads(process.stdout.readline())["port"])
        except (OSError, ValueError):
            self._end()
            raise EngineError(
                "The engine could not be started; its server's log says why. Try again later."
            ) from None
        self._endpoint = Endpoint(f"http://127.0.0.1:{port}", token)

    def _end(self) -> None:
        """End the process: it does by itself when its input ends."""
        process, self._process = self._process, None
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _wait(self, seconds: float) -> None:
        """Look in so many seconds whether a large model can go."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = threading.Timer(seconds, self._give_back)
        self._timer.daemon = True
        self._timer.start()

    def _give_back(self) -> None:
        """End the process if a large model is idle in it and nobody waits for anything."""
        with self._lock:
            if self._large_since is None:
                return
            left = self._large_since + self._idle - monotonic()
            busy = [ticket for ticket in self._open if not ticket.done]
            if busy and any(ticket.request.model != BUNDLED for ticket in busy):
                self._large_since = monotonic()
            if busy or left > 0:
                self._wait(min(self._idle, max(left, 1.0)))
                return
            self._large_since = None
            self._end()
