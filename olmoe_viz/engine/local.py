"""LocalEngine: requests answered in this process, one after another, by one thread."""

import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from olmoe_viz.engine import (
    attending,
    decoders,
    effects,
    inspecting,
    patching,
    predicting,
    rerouting,
    scoring,
    timing,
    tracing,
)
from olmoe_viz.engine.engine import Answer, Progress, Ticket
from olmoe_viz.engine.generating import Generating
from olmoe_viz.engine.line import Line
from olmoe_viz.engine.prompt import OnProgress
from olmoe_viz.engine.provenance import provenance
from olmoe_viz.engine.result_cache import ResultCache
from olmoe_viz.engine.sequence_group import first_line
from olmoe_viz.engine.threads import threads
from olmoe_viz.errors import (
    CancelledError,
    EngineError,
    GenerationError,
    OutOfMemoryError,
)
from olmoe_viz.models.memory import out_of_memory
from olmoe_viz.models.model import Model
from olmoe_viz.models.pool import Loaded, Loading, ModelPool
from olmoe_viz.records.generation import Generation
from olmoe_viz.records.model_facts import ModelFacts
from olmoe_viz.records.timing import Bandwidth, Timing
from olmoe_viz.records.trace import Trace
from olmoe_viz.requests import (
    AttentionRequest,
    BandwidthRequest,
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

# Of the bundled model's longest prompts, forty routing traces or four full ones.
CACHE_BYTES = 256 * 2**20
LINE_LENGTH = 256
_IDLE = 60.0  # seconds after which the thread ends; the next request starts another
_NEVER_KEPT = (TimeRequest, BandwidthRequest)

_log = logging.getLogger(__name__)


class LocalEngine:
    """Answers every request in this process.

    Models are loaded by name when first asked for; `models` are there already. Answers are kept, up
    to `cache_bytes`, and served again with the date and the speed of their run; those to requests
    for a time are not. At most `line_length` requests wait.
    """

    def __init__(
        self, *models: Model, cache_bytes: int = CACHE_BYTES, line_length: int = LINE_LENGTH
    ) -> None:
        self._pool = ModelPool(*models)
        self._cache = ResultCache(cache_bytes)
        self._line = Line(line_length)
        self._digests = {model.name: model.digest for model in models}
        self._worker: threading.Thread | None = None
        self._lock = threading.Lock()

    def submit(self, request: Request, visitor: str = "") -> Ticket:
        """Take a request and return at once; see `Engine.submit`."""
        ticket = Ticket(request)
        kept = self.kept(request)
        if kept is not None:
            ticket.finish(kept, cached=True)
        elif self._pool.find(request.model) is not None:
            self._join(visitor, ticket)
        else:
            self._load(visitor, ticket)
        return ticket

    def kept(self, request: Request) -> Answer | None:
        """Return the answer to a request if it was given before and is still there."""
        return self._cache.find(request)

    def _join(self, visitor: str, ticket: Ticket) -> None:
        ticket.advance(lambda: Progress("waiting", self._line.before(ticket)))
        self._line.join(visitor, ticket)
        with self._lock:
            if self._worker is None:
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
        ticket.fail(CancelledError("The request was cancelled."))

    def _work(self) -> None:
        while True:
            ticket = self._line.take(_IDLE)
            if ticket is not None:
                self._do(ticket)
                continue
            with self._lock:
                ticket = self._line.take(0)
                if ticket is None:
                    self._worker = None
                    return
            self._do(ticket)

    def _do(self, ticket: Ticket) -> None:
        try:
            ticket.check()
            answer, cached = self.kept(ticket.request), True
            if answer is None:
                answer, cached = self._answer(ticket), False
                if not isinstance(ticket.request, _NEVER_KEPT):
                    self._cache.keep(ticket.request, answer)
            ticket.finish(answer, cached=cached)
        except Exception as error:  # noqa: BLE001 - told to whoever waits
            ticket.fail(_told(error))

    def _answer(self, ticket: Ticket) -> Answer:
        request: Any = ticket.request
        model = self._pool.find(request.model)
        if model is None:
            raise EngineError(f"{request.model} was given back to make room. Run again.")
        ticket.advance(Progress("running"))
        answer = _ANSWERS.get(type(request))
        if answer is not None:
            return answer(model, request, ticket)
        run = self._run(model, request.run, ticket)
        with threads(model, len(run.tokens)):
            return _DETAILS[type(request)](model, request, run)

    def _run(self, model: Model, request: TraceRequest, ticket: Ticket) -> Trace:
        """Return the run that a request for details names, kept or computed now."""
        kept = self._cache.find(request)
        if kept is None:
            kept = _trace(model, request, ticket)
            self._cache.keep(request, kept)
        assert isinstance(kept, Trace)  # noqa: S101 - what answers a TraceRequest
        return kept


def _progress(ticket: Ticket, done: int, total: int) -> None:
    ticket.check()
    ticket.advance(Progress("running", done, total))


def _generate(model: Model, request: GenerateRequest, ticket: Ticket) -> tuple[Generation, ...]:
    """Write until the end, passing on every step; what was written goes with an error."""
    _prepare(model, ticket)
    generating = Generating(model, request)
    with generating:
        for step in generating:
            ticket.add_step(step)
            ticket.advance(Progress("running", max(step.index + 1, 0), request.max_new_tokens))
            if ticket.cancelled:
                break
    written = generating.generations()
    if generating.error is not None:
        raise GenerationError(generating.error, written)
    if ticket.cancelled:
        raise CancelledError("The request was cancelled.", written)
    return written


def _prepare(model: Model, ticket: Ticket) -> None:
    """Compile what decoding needs, where that takes long enough to be told."""
    if not decoders.prepared(model):
        ticket.advance(Progress("preparing"))
        decoders.kernels_of(model)
        ticket.advance(Progress("running"))


def _trace(model: Model, request: TraceRequest, ticket: Ticket) -> Trace:
    return tracing.trace(model, request, partial(_progress, ticket))


def _reporting(answer: Callable[[Model, Any, OnProgress], Answer]) -> Callable[..., Answer]:
    """Return what answers a request and tells its ticket how far it is."""

    def answered(model: Model, request: Request, ticket: Ticket) -> Answer:
        return answer(model, request, partial(_progress, ticket))

    return answered


def _time(model: Model, request: TimeRequest, ticket: Ticket) -> Timing:
    _prepare(model, ticket)
    return timing.measure(model, request, ticket.add_step, partial(_progress, ticket))


def _bandwidth(model: Model, request: BandwidthRequest, _: Ticket) -> Bandwidth:
    return timing.copy_bandwidth(model, request)


def _facts(model: Model, request: ModelRequest, _: Ticket) -> ModelFacts:
    return ModelFacts(
        request=request,
        geometry=model.geometry,
        bytes_per_value=model.dtype.itemsize,
        capabilities=tuple(sorted(model.capabilities)),
        provenance=provenance(model, 0.0),
    )


def _told(error: Exception) -> Exception:
    """Return what is told of an error: ours are sentences already, torch's and the system's not."""
    if out_of_memory(error):
        return OutOfMemoryError(
            "The memory ran out. Shorten the text, choose a smaller k, or try again later."
        )
    if isinstance(error, EngineError) or not isinstance(
        error, RuntimeError | ArithmeticError | OSError
    ):
        return error
    _log.error("A request could not be answered.", exc_info=error)
    return EngineError(f"The model stopped: {first_line(error)}. Run again, or change the text.")


# Who answers a request, and who answers one for details of a run.
_ANSWERS: dict[type[Request], Callable[[Model, Any, Ticket], Answer]] = {
    TraceRequest: _trace,
    GenerateRequest: _generate,
    ScoreRequest: _reporting(scoring.score),
    EffectsRequest: _reporting(effects.effects),
    PatchRequest: _reporting(patching.patch),
    RoutesRequest: _reporting(rerouting.routes),
    TimeRequest: _time,
    BandwidthRequest: _bandwidth,
    ModelRequest: _facts,
}
_DETAILS: dict[type[Request], Callable[[Model, Any, Trace], Answer]] = {
    InspectRequest: inspecting.inspect,
    AttentionRequest: attending.attend,
    PredictRequest: predicting.predict,
    LensRequest: predicting.lens,
    DirectionsRequest: predicting.directions,
}
