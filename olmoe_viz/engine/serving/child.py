"""The process of an engine that another process has started: `engine/child.py` is the other side.

It reads its token from standard input, says on standard output on which port of this machine it
listens, and ends when standard input does: with its parent, however that ends.
"""

import contextlib
import json
import os
import sys
import threading
from dataclasses import replace
from pathlib import Path

from olmoe_viz import settings

_FIRST_TO_GO = "500"  # where memory runs out the kernel ends this process before the pages'


def main() -> None:
    """Serve until standard input ends."""
    token = json.loads(sys.stdin.readline())["token"]
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO, encoding="ascii")
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    from olmoe_viz.engine.serving.listening import server  # imports torch, which reads the policy

    running, listening = server(replace(settings.current(), token=token), "127.0.0.1", 0)
    listening.listen()
    sys.stdout.write(json.dumps({"port": listening.getsockname()[1]}) + "\n")
    sys.stdout.flush()
    running.run(sockets=[listening])


def _end_with_parent() -> None:
    while sys.stdin.readline():
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
