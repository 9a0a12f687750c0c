"""LocalEngine: requests answered in this process by one thread, which all visitors share."""

import logging
import threading
import time
from functools import partial
from math import inf
from weakref import WeakKeyDictionary

from olmoe_viz.engine import jobs
from olmoe_viz.engine.engine import Answer, Progress, Ticket
from olmoe_viz.engine.line import Line
from olmoe_viz.engine.result_cache import ResultCache
from olmoe_viz.engine.writing import Pace, Writing
from olmoe_viz.errors import CancelledError, EngineError
from olmoe_viz.models.memory import give_back
from olmoe_viz.models.model import Model
from olmoe_viz.models.pool import Loaded, Loading, ModelPool
from olmoe_viz.requests import GenerateRequest, Request
from olmoe_viz.settings import Settings

_SHORT, _LONG = 0, 1  # kinds of jobs in the line, where texts stand under their model's name
_IDLE = 60.0  # seconds after which the thread ends; the next request starts another
_MOST_FAILURES = 3  # of the thread in a row, until those at work are told

_log = logging.getLogger(__name__)


class LocalEngine:
    """Answers every request in this process, by default within the settings' default limits.

    Models are loaded by name when first asked for; `models` are there already. Answers are kept, up
    to `cache_bytes`, and served again with the date and the speed of their run; those to requests
    for a time are not. At most `line_length` requests wait. At most `rows` rows of each model are
    written at once, their keys and values in `kv_bytes`. A large model that was loaded by name is
    given back `idle_seconds` after it was last used.

    One thread does all the work, and everything it works on outlives it: between two steps of all
    texts there is at most one job, short ones first, and long ones let texts and short ones go on
    between their parts.
    """

    def __init__(
        self,
        *models: Model,
        cache_bytes: int = Settings.kept_mb * 2**20,
        line_length: int = Settings.line_length,
        rows: int = Settings.rows,
        kv_bytes: int = Settings.cache_mb * 2**20,
        idle_seconds: float = inf,
    ) -> None:
        self._pool = ModelPool(*models)
        self._cache = ResultCache(cache_bytes)
        self._line = Line(line_length)
        self._rows, self._kv_bytes = rows, kv_bytes
        self._writing: dict[str, Writing] = {}
        self._digests = {model.name: model.digest for model in models}
        self._worker: threading.Thread | None = None
        self._lock = threading.Lock()
        self._jobs: list[Ticket] = []  # at work, the last inside the one before
        self._pace = Pace()
        self._failures = 0
        self._idle = idle_seconds
        self._used: WeakKeyDictionary[Model, float] = WeakKeyDictionary()  # when, of a large model

    def submit(self, request: Request, visitor: str = "") -> Ticket:
        """Take a request and return at once; see `Engine.submit`."""
        ticket = Ticket(request)
        kept = self.kept(request)
        if kept is not None:
            ticket.finish(kept, cached=True)
        elif self._wanted(request.model):
            self._join(visitor, ticket)
        else:
            self._load(visitor, ticket)
        return ticket

    def kept(self, request: Request) -> Answer | None:
        """Return the answer to a request if it was given before and is still there."""
        return self._cache.find(request)

    def _wanted(self, name: str) -> bool:
        """Say that a model is used now; whether it is there."""
        with self._lock:
            model = self._pool.find(name)
            if model is not None:
                self._used[model] = time.monotonic()
            return model is not None

    def _join(self, visitor: str, ticket: Ticket) -> None:
        request = ticket.request
        if isinstance(request, GenerateRequest):
            kind: int | str = request.model
        else:
            kind = _SHORT if jobs.short(request) else _LONG
        self._line.join(visitor, kind, ticket)
        ticket.advance(
            partial(self._place, kind, ticket), on_cancel=partial(self._leave_line, ticket)
        )
        with self._lock:
            if self._worker is None:
                self._start()

    def _leave_line(self, ticket: Ticket) -> None:
        self._line.take(ticket)
        ticket.fail(_cancelled())

    def _place(self, kind: int | str, ticket: Ticket) -> Progress:
        """Return how many come before a ticket in the line, and how long that takes."""
        if isinstance(kind, str):
            writing = self._writing.get(kind)
            if writing is not None:
                return writing.progress(ticket)
            return Progress("waiting", self._line.before(ticket))
        before = self._line.before(ticket) + (len(self._jobs) > 0)
        return Progress("waiting", before, seconds=self._pace.wait(before, 1))

    def _start(self) -> None:
        self._worker = threading.Thread(target=self._work, name="engine", daemon=True)
        self._worker.start()

    def _load(self, visitor: str, ticket: Ticket) -> None:
        """Load the model on a thread of its own, so that requests to others go on."""

        def loaded(model: Model | None, problem: Exception | None) -> None:
            if model is None:
                ticket.fail(problem or EngineError("The model is not there."))
                return
            if self._digests.setdefault(model.name, model.digest) != model.digest:
                self._cache.forget(model.name)
                self._digests[model.name] = model.digest
            try:
                self._wanted(model.name)
                self._join(visitor, ticket)
            except EngineError as error:
                ticket.fail(error)

        loading = self._pool.load(ticket.request.model, loaded)
        ticket.advance(
            lambda: Progress("loading", loading.arrived, loading.total),
            on_cancel=partial(self._give_up, ticket, loading, loaded),
        )

    def _give_up(self, ticket: Ticket, loading: Loading, loaded: Loaded) -> None:
        self._pool.leave(loading, loaded)
        ticket.fail(_cancelled())

    def _work(self) -> None:
        """Work until nothing has been asked for a while; whatever ends the thread starts another.

        Nothing is lost with it: a step that did not come to its end is taken again.
        """
        try:
            while self._turn() or self._line.wait(min(_IDLE, self._idle)) or self._has_to_wait():
                self._failures = 0
                self._give_back_idle()
            ended = True
        except BaseException:  # noqa: BLE001 - whatever it is, others wait
            _log.exception("The engine's thread ended; another goes on.")
            ended = False
            self._give_up_after_failures()
        with self._lock:
            self._worker = None
            if not ended or self._line.wait(0):
                self._start()

    def _has_to_wait(self) -> bool:
        """Whether the thread is still needed to give a large model back."""
        return self._idle < inf and self._pool.large is not None

    def _give_back_idle(self) -> None:
        """Give a large model back that nobody has used for long."""
        with self._lock:
            if self._has_to_wait() and self._large_is_idle():
                self._pool.give_back_large()

    def _large_is_idle(self) -> bool:
        model, now = self._pool.large, time.monotonic()
        if model is None or self._line.wait(0):
            return False
        if model.name in self._writing:
            self._used[model] = now
        return now > self._used.setdefault(model, now) + self._idle

    def _give_up_after_failures(self) -> None:
        """Tell those at work when threads end one after the other without a whole turn."""
        self._failures += 1
        for ticket in self._jobs:
            ticket.fail(EngineError("The engine was interrupted. Run again."))
        self._jobs.clear()
        if self._failures >= _MOST_FAILURES:
            for writing in list(self._writing.values()):
                writing.fail(EngineError("the engine was interrupted"))

    def _turn(self) -> bool:
        """Do one job at most, and one step of all texts; whether there was anything to do."""
        job = self._line.next(_SHORT) or self._line.next(_LONG)
        if job is not None:
            self._do(job)
        return self._write() or job is not None

    def _write(self) -> bool:
        """Write one token of every text, the models in turn; whether there are any texts."""
        for name in (kind for kind in self._line.kinds() if isinstance(kind, str)):
            self._writing_of(name)
        for name, writing in list(self._writing.items()):
            writing.step()
            if writing.idle and self._line.next(name) is None:
                del self._writing[name]  # and with it what it holds of the model
                give_back()
        return bool(self._writing)

    def _writing_of(self, name: str) -> None:
        """Make a place for the texts of a model, if there is none; those of a lost one fail."""
        model = self._pool.find(name)
        if name in self._writing:
            return
        if model is not None:
            args = (self._line, self._cache, self._rows, self._kv_bytes)
            self._writing[name] = Writing(model, *args)
            return
        while (ticket := self._line.next(name)) is not None:
            self._line.take(ticket)
            ticket.fail(_gone(name))

    def _between(self) -> None:
        """Between two parts of a job: a short job, unless this is one, and a step of all texts."""
        job = self._line.next(_SHORT)
        if job is not None and len(self._jobs) == 1 and not jobs.short(self._jobs[0].request):
            self._do(job)
        self._write()

    def _do(self, ticket: Ticket) -> None:
        """Answer one request in one piece."""
        self._line.take(ticket)
        self._jobs.append(ticket)
        began = time.monotonic()
        try:
            ticket.check()
            answer, cached = self.kept(ticket.request), True
            if answer is None:
                answer, cached = self._answer(ticket), False
                if not isinstance(ticket.request, jobs.NEVER_KEPT):
                    self._cache.keep(ticket.request, answer)
            ticket.finish(answer, cached=cached)
        except Exception as error:  # noqa: BLE001 - told to whoever waits
            ticket.fail(jobs.told(error))
        self._jobs.remove(ticket)
        self._pace.took(time.monotonic() - began)

    def _answer(self, ticket: Ticket) -> Answer:
        model = self._pool.find(ticket.request.model)
        if model is None:
            raise _gone(ticket.request.model)
        return jobs.answer(model, ticket, self._cache, self._between)


def from_settings(settings: Settings) -> LocalEngine:
    """Return the engine that an operator's settings describe."""
    return LocalEngine(
        cache_bytes=settings.kept_mb * 2**20,
        line_length=settings.line_length,
        rows=settings.rows,
        kv_bytes=settings.cache_mb * 2**20,
        idle_seconds=settings.idle_seconds,
    )


def _cancelled() -> CancelledError:
    return CancelledError("The request was cancelled.")


def _gone(name: str) -> EngineError:
    return EngineError(f"{name} was given back to make room. Run again.")
