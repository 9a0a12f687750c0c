"""The door: a request goes in, a ticket comes back, and in the end an immutable record.

Knows nothing about who computes. One request runs as one job; a ticket may be watched by any
thread, and by several.
"""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol, cast, overload

from olmoe_viz.errors import CancelledError
from olmoe_viz.records.attention import Attention
from olmoe_viz.records.coalition import Coalition
from olmoe_viz.records.effects import Effects
from olmoe_viz.records.generation import Generation
from olmoe_viz.records.inspection import Inspection
from olmoe_viz.records.model_facts import ModelFacts
from olmoe_viz.records.patches import Patches, Routes
from olmoe_viz.records.prediction import Lens, LogitDirections, Predictions
from olmoe_viz.records.record import Record
from olmoe_viz.records.scores import Scores
from olmoe_viz.records.timing import Bandwidth, Timing
from olmoe_viz.records.trace import Trace
from olmoe_viz.requests import (
    AttentionRequest,
    BandwidthRequest,
    CoalitionRequest,
    DirectionsRequest,
    EffectsRequest,
    GenerateRequest,
    InspectRequest,
    LensRequest,
    ModelRequest,
    PatchRequest,
    PredictRequest,
    Request,
    RoutesRequest,
    ScoreRequest,
    TimeRequest,
    TraceRequest,
)

Answer = Record | tuple[Generation, ...]
Stage = Literal["waiting", "loading", "preparing", "running", "restarting", "done"]


@dataclass(frozen=True)
class Progress:
    """How far a request is.

    While it is "waiting", `done` is how many requests come before it, and `seconds` about how long
    that takes, None where nothing like it has run yet. While a model is "loading",
    `done` of `total` bytes have been downloaded (both 0 where nothing is); it is "preparing" while
    kernels are compiled and tested, once a process and model. While it is "running",
    `done` of `total` tokens have been read or written (both 0 where they are not counted). It is
    "restarting" after the process that computed it has ended, until another begins it again.
    """

    stage: Stage
    done: int = 0
    total: int = 0
    seconds: float | None = None


class Ticket:
    """One request on its way: where it stands, its steps as they come, and its record.

    `cached` says that the record was there already; it keeps the date and the speed of its run.
    """

    def __init__(self, request: Request) -> None:
        self.request = request
        self.cached = False
        self._changed = threading.Condition()
        self._progress: Progress | Callable[[], Progress] = Progress("waiting")
        self._on_cancel: Callable[[], None] | None = None
        self._steps: list[Any] = []
        self._answer: Answer | None = None
        self._error: Exception | None = None
        self._cancelled = False
        self._watching: tuple[Callable[[], None], ...] = ()

    @property
    def progress(self) -> Progress:
        """How far the request is."""
        found = self._progress
        return found if isinstance(found, Progress) else found()

    @property
    def done(self) -> bool:
        """Whether there is a result, or an error in its place."""
        return self._answer is not None or self._error is not None

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the request is done, at most `timeout` seconds; whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: self.done, timeout)

    def new_steps(self, after: int, timeout: float | None = None) -> list[Any]:
        """Return the steps from number `after` on, waiting up to `timeout` seconds for the first.

        Empty when none came in that time, or when there are no more and the request is done.
        """
        with self._changed:
            self._changed.wait_for(lambda: self.done or len(self._steps) > after, timeout)
            return self._steps[after:]

    def watch(self, call: Callable[[], None]) -> None:
        """Call this after every new step and at the end, on the thread that computes."""
        with self._changed:
            self._watching += (call,)

    def steps(self) -> Iterator[Any]:
        """Yield all steps as they come; an error is raised by `result` alone."""
        number = 0
        while new := self.new_steps(number):
            yield from new
            number += len(new)

    def result(self, timeout: float | None = None) -> Answer:
        """Wait for the record and return it.

        Raises what went wrong instead (an InputError, ModelError or EngineError; CancelledError
        after `cancel`), and TimeoutError when it takes longer than `timeout` seconds.
        """
        if not self.wait(timeout):
            raise TimeoutError("The request is not done yet.")
        if self._error is not None:
            raise self._error
        assert self._answer is not None  # noqa: S101 - a ticket is done with one of the two
        return self._answer

    def cancel(self) -> None:
        """Ask for the work to end; it does after the part or step that it is in."""
        with self._changed:
            self._cancelled = True
            on_cancel = self._on_cancel
        if on_cancel is not None and not self.done:
            on_cancel()

    @property
    def cancelled(self) -> bool:
        """Whether somebody has cancelled the request."""
        return self._cancelled

    def check(self) -> None:
        """For whoever computes, between two parts of the work: CancelledError once cancelled."""
        if self._cancelled:
            raise CancelledError("The request was cancelled.")

    def advance(
        self,
        progress: Progress | Callable[[], Progress],
        on_cancel: Callable[[], None] | None = None,
    ) -> None:
        """For whoever computes: say how far the work is, or how to find out.

        From now on `on_cancel` is called when somebody cancels the request.
        """
        with self._changed:
            if not self.done:
                self._progress, self._on_cancel = progress, on_cancel

    def add_step(self, step: Any) -> None:
        """For whoever computes: pass on a step."""
        with self._changed:
            self._steps.append(step)
            self._tell()

    def finish(self, answer: Answer, *, cached: bool = False) -> None:
        """For whoever computes: the record is whole."""
        self._end(answer=answer, cached=cached)

    def fail(self, error: Exception) -> None:
        """For whoever computes: there will be no record."""
        self._end(error=error)

    def _end(
        self,
        *,
        answer: Answer | None = None,
        error: Exception | None = None,
        cached: bool = False,
    ) -> None:
        with self._changed:
            if not self.done:
                self._answer, self._error, self.cached = answer, error, cached
                self._progress = Progress("done")
                self._tell()

    def _tell(self) -> None:
        self._changed.notify_all()
        for call in self._watching:
            call()


class Engine(Protocol):
    """Whoever answers requests."""

    def submit(self, request: Request, visitor: str = "") -> Ticket:
        """Take a request and return at once; `visitor` names who asks, for a fair line.

        Raises BusyError when the line is full. All other errors come with the ticket's result.
        """
        ...


class Ask(Protocol):
    """A call that answers a request, whatever it does meanwhile: what the analyses are given."""

    @overload
    def __call__(self, request: TraceRequest) -> Trace: ...
    @overload
    def __call__(self, request: GenerateRequest) -> tuple[Generation, ...]: ...
    @overload
    def __call__(self, request: InspectRequest) -> Inspection: ...
    @overload
    def __call__(self, request: AttentionRequest) -> Attention: ...
    @overload
    def __call__(self, request: PredictRequest) -> Predictions: ...
    @overload
    def __call__(self, request: LensRequest) -> Lens: ...
    @overload
    def __call__(self, request: DirectionsRequest) -> LogitDirections: ...
    @overload
    def __call__(self, request: EffectsRequest) -> Effects: ...
    @overload
    def __call__(self, request: PatchRequest) -> Patches: ...
    @overload
    def __call__(self, request: RoutesRequest) -> Routes: ...
    @overload
    def __call__(self, request: CoalitionRequest) -> Coalition: ...
    @overload
    def __call__(self, request: ScoreRequest) -> Scores: ...
    @overload
    def __call__(self, request: TimeRequest) -> Timing: ...
    @overload
    def __call__(self, request: BandwidthRequest) -> Bandwidth: ...
    @overload
    def __call__(self, request: ModelRequest) -> ModelFacts: ...


def asking(engine: Engine) -> Ask:
    """Return a call that submits a request and waits for its record; errors as `Ticket.result`."""

    def ask(request: Request) -> Answer:
        return engine.submit(request).result()

    return cast("Ask", ask)
