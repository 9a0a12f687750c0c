"""Jobs: requests that are answered in one piece, and how long such a piece may take."""

import logging
from collections.abc import Callable
from typing import Any

from olmoe_viz.engine import (
    attending,
    coalitions,
    decoders,
    effects,
    inspecting,
    patching,
    predicting,
    prompt,
    rerouting,
    scoring,
    timing,
    tracing,
)
from olmoe_viz.engine.engine import Answer, Progress, Ticket
from olmoe_viz.engine.prompt import OnProgress
from olmoe_viz.engine.provenance import provenance
from olmoe_viz.engine.result_cache import ResultCache
from olmoe_viz.engine.sequence_group import first_line
from olmoe_viz.engine.threads import threads
from olmoe_viz.errors import EngineError, OutOfMemoryError
from olmoe_viz.models.memory import out_of_memory
from olmoe_viz.models.model import Model
from olmoe_viz.records.model_facts import ModelFacts
from olmoe_viz.records.scores import Scores
from olmoe_viz.records.timing import Bandwidth, Timing
from olmoe_viz.records.trace import Trace
from olmoe_viz.requests import (
    AttentionRequest,
    BandwidthRequest,
    ChatMessage,
    CoalitionRequest,
    DirectionsRequest,
    EffectsRequest,
    InspectRequest,
    LensRequest,
    ModelRequest,
    PatchRequest,
    PredictRequest,
    Request,
    RoutesRequest,
    ScoreRequest,
    Text,
    TimeRequest,
    TraceRequest,
)

NEVER_KEPT = (TimeRequest, BandwidthRequest)
_LETTERS = 4  # of a token, about
_log = logging.getLogger(__name__)


def short(request: Request) -> bool:
    """Whether a request takes a moment: a detail of a run, or a text of one part."""
    if isinstance(request, TraceRequest):
        return _tokens(request.text) <= prompt.PART
    if isinstance(request, ScoreRequest):
        return _tokens(request.text) * len(request.policies) <= prompt.PART
    return isinstance(request, ModelRequest) or type(request) in _DETAILS


def answer(model: Model, ticket: Ticket, cache: ResultCache, between: Callable[[], None]) -> Answer:
    """Answer a request; `between` is called between two parts of the work.

    Runs that details name are kept in the cache, and found there.
    """
    request: Any = ticket.request

    def on_progress(done: int, total: int) -> None:
        ticket.check()
        ticket.advance(Progress("running", done, total))
        if done:
            between()
            ticket.check()

    ticket.advance(Progress("running"))
    if isinstance(request, TimeRequest):
        return _time(model, request, ticket)
    if (whole := _ANSWERS.get(type(request))) is not None:
        return whole(model, request, on_progress)
    run = _run(model, request.run, cache, on_progress)
    with threads(model, len(run.tokens)):
        return _DETAILS[type(request)](model, request, run)


def prepare(model: Model, ticket: Ticket) -> None:
    """Compile what decoding needs, where that takes long enough to be told."""
    if not decoders.prepared(model):
        ticket.advance(Progress("preparing"))
        decoders.kernels_of(model)
        ticket.advance(Progress("running"))


def told(error: Exception) -> Exception:
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


def _tokens(text: Text) -> int:
    """Return about how many tokens a text has."""
    if isinstance(text, tuple):
        return len(text)
    return len(text.content if isinstance(text, ChatMessage) else text) // _LETTERS


def _run(model: Model, request: TraceRequest, cache: ResultCache, on_progress: OnProgress) -> Trace:
    """Return the run that a request for details names, kept or computed now."""
    kept = cache.find(request)
    if kept is None:
        kept = _trace(model, request, on_progress)
        cache.keep(request, kept)
    assert isinstance(kept, Trace)  # noqa: S101 - what answers a TraceRequest
    return kept


def _trace(model: Model, request: TraceRequest, on_progress: OnProgress) -> Trace:
    return tracing.trace(model, request, on_progress)


def _score(model: Model, request: ScoreRequest, on_progress: OnProgress) -> Scores:
    return scoring.score(model, request, on_progress)


def _time(model: Model, request: TimeRequest, ticket: Ticket) -> Timing:
    """Measure with nothing in between: what would run there would be part of the time."""

    def on_progress(done: int, total: int) -> None:
        ticket.check()
        ticket.advance(Progress("running", done, total))

    prepare(model, ticket)
    return timing.measure(model, request, ticket.add_step, on_progress)


def _bandwidth(model: Model, request: BandwidthRequest, _: OnProgress) -> Bandwidth:
    return timing.copy_bandwidth(model, request)


def _facts(model: Model, request: ModelRequest, _: OnProgress) -> ModelFacts:
    return ModelFacts(
        request=request,
        geometry=model.geometry,
        bytes_per_value=model.dtype.itemsize,
        capabilities=tuple(sorted(model.capabilities)),
        provenance=provenance(model, 0.0),
    )


# Who answers a request, and who answers one for details of a run.
_ANSWERS: dict[type[Request], Callable[[Model, Any, OnProgress], Answer]] = {
    TraceRequest: _trace,
    ScoreRequest: _score,
    EffectsRequest: effects.effects,
    PatchRequest: patching.patch,
    RoutesRequest: rerouting.routes,
    CoalitionRequest: coalitions.coalition,
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
