"""Traces of the last requests, bounded by the bytes that they hold."""

import threading
from collections import OrderedDict
from typing import Literal

import numpy as np

from olmoe_viz.records.trace import Trace

Detail = Literal["routing", "full"]
Request = tuple[str, str, Detail, str]  # text, policy, detail and the model's digest


class TraceCache:
    """The traces used last: as many as fit into `most` bytes, and always the last two.

    Two, because pages compare two ks of one prompt, and a full trace of a long prompt on the real
    model has 1.6 GB. Threads may share it; the traces are read-only.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[Request, Trace] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, request: Request) -> Trace | None:
        """The trace of a request, which counts as used now."""
        with self._lock:
            if request in self._kept:
                self._kept.move_to_end(request)
            return self._kept.get(request)

    def keep(self, request: Request, trace: Trace) -> None:
        """Add a trace; those unused for longest go."""
        with self._lock:
            self._kept[request] = trace
            self._kept.move_to_end(request)
            held = sum(map(size, self._kept.values()))
            while held > self._most and len(self._kept) > 2:
                _, gone = self._kept.popitem(last=False)
                held -= size(gone)


def size(trace: Trace) -> int:
    """Bytes of the arrays of a trace."""
    return sum(value.nbytes for value in vars(trace).values() if isinstance(value, np.ndarray))
