"""Several continuations of one prompt at once, each under its own policy, token by token.

Knows nothing about drawing: a scheduler with a single request.
"""

from collections.abc import Iterator

from olmoe_viz.engine.scheduler import Scheduler
from olmoe_viz.engine.sequence_group import SequenceGroup
from olmoe_viz.models.model import Model
from olmoe_viz.records.generation import Generation, Step
from olmoe_viz.requests import GenerateRequest


class Generating:
    """A running generation: an iterator over Steps that can be closed and read at any time.

    Stop by leaving the loop and calling `close` (or by using it as a context manager): unfinished
    rows then have finish "stopped". When the computation breaks off, the iteration ends with one
    more Step whose unfinished rows have finish "error", and `error` is a sentence that says what
    happened; nothing is raised. Either way `generations` has what was written until then, and the
    cache is released. One thread at a time may use one Generating; several can share a model.

    A row's result does not depend on the other rows. Raises InputError at once for a request that
    does not fit the model.
    """

    def __init__(self, model: Model, request: GenerateRequest) -> None:
        self._group = SequenceGroup(model, request)
        rows = self._group.rows
        self._scheduler = Scheduler(model, len(rows), sum(row.length for row in rows))
        self._begun = False

    @property
    def error(self) -> str | None:
        """What went wrong, as a sentence."""
        return self._group.error

    @property
    def seconds(self) -> float:
        """The time spent decoding so far, without what the caller does between steps."""
        return self._group.seconds

    @property
    def prefill_seconds(self) -> float:
        """The time spent reading the prompt so far."""
        return self._group.prefill_seconds

    def __iter__(self) -> Iterator[Step]:
        return self

    def __next__(self) -> Step:
        while not self._group.steps:
            if self._group.done:
                raise StopIteration
            self._go_on()
        return self._group.steps.pop(0)

    def __enter__(self) -> "Generating":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the run and free its memory; rows that are not finished are stopped."""
        self._group.stop()
        self._scheduler.let_go()

    def generations(self) -> tuple[Generation, ...]:
        """Return what every row has written so far; a row that still runs counts as stopped.

        Empty before the whole prompt has been read.
        """
        return self._group.generations()

    def _go_on(self) -> None:
        if self._begun:
            self._scheduler.step()
            return
        self._begun = True
        self._scheduler.admit(self._group)
