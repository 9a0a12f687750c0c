"""Answers to the last requests, bounded by the bytes that they hold."""

import threading
from collections import OrderedDict

from olmoe_viz.engine.engine import Answer
from olmoe_viz.records.trace import Trace
from olmoe_viz.requests import Request

_TRACES = 2


class ResultCache:
    """The answers used last: as many as fit into `most` bytes, and always the last two traces.

    Two, because pages compare two ks of one prompt and then ask for details of both runs, and a
    full trace of a long prompt on the real model has over 1 GB. Threads may share it.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[Request, Answer] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, request: Request) -> Answer | None:
        """Return the answer to a request, which counts as used now."""
        with self._lock:
            if request in self._kept:
                self._kept.move_to_end(request)
            return self._kept.get(request)

    def keep(self, request: Request, answer: Answer) -> None:
        """Add an answer; those unused for longest go."""
        with self._lock:
            self._kept[request] = answer
            self._kept.move_to_end(request)
            held = sum(map(size, self._kept.values()))
            newest = [key for key, kept in self._kept.items() if isinstance(kept, Trace)][-_TRACES:]
            for oldest in list(self._kept):
                if held <= self._most:
                    break
                if oldest not in newest:
                    held -= size(self._kept.pop(oldest))

    def forget(self, model: str) -> None:
        """Drop every answer of a model: its weights are no longer those that were asked."""
        with self._lock:
            for request in [each for each in self._kept if each.model == model]:
                del self._kept[request]


def size(answer: Answer) -> int:
    """Return the bytes of the arrays of an answer."""
    records = answer if isinstance(answer, tuple) else (answer,)
    return sum(record.nbytes for record in records)
