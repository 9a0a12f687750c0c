"""The door of this process: what a ticket tells, and what is kept."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from weakref import ref

import numpy as np
import pytest
import torch

import olmoe_viz as ov
from olmoe_viz.engine import local, tracing
from olmoe_viz.engine.decoder import PlainDecoder
from olmoe_viz.engine.engine import Progress, Ticket, asking
from olmoe_viz.engine.local import LocalEngine
from olmoe_viz.errors import (
    BusyError,
    CancelledError,
    EngineError,
    GenerationError,
    OutOfMemoryError,
)
from olmoe_viz.models import pool
from olmoe_viz.models.load import load_model
from olmoe_viz.models.model import Model
from olmoe_viz.requests import (
    BandwidthRequest,
    GenerateRequest,
    InspectRequest,
    ModelRequest,
    PredictRequest,
    Request,
    ScoreRequest,
    TimeRequest,
    TraceRequest,
)
from tests.servers import until

SOON = 60.0  # seconds that a thread may take on a busy machine
TEXT = "the little robot found"
EIGHT = ov.RoutingPolicy(8)


@pytest.fixture
def traced(model: Model) -> TraceRequest:
    return TraceRequest(model.name, TEXT, EIGHT, "full")


class Gate:
    """Holds the engine's thread in the middle of a trace until it is opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached, self.open = threading.Event(), threading.Event()
        self.calls = 0
        self._trace = tracing.trace
        monkeypatch.setattr(tracing, "trace", self)

    def __call__(self, *arguments: object) -> ov.Trace:
        self.calls += 1
        self.reached.set()
        assert self.open.wait(SOON)
        return self._trace(*arguments)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    made = Gate(monkeypatch)
    yield made
    made.open.set()


def test_a_record_is_the_one_of_the_library(engine: LocalEngine, model: Model) -> None:
    ask = asking(engine)
    run = ask(TraceRequest(model.name, TEXT, ov.RoutingPolicy(16)))
    expected = ov.trace(model, TEXT, ov.RoutingPolicy(16))
    assert run.request == expected.request
    np.testing.assert_array_equal(run.router_logits, expected.router_logits)
    np.testing.assert_array_equal(run.expert_ids, expected.expert_ids)
    policies = (EIGHT, ov.RoutingPolicy(64))
    written = ask(GenerateRequest(model.name, TEXT, policies, 6, temperature=1.0, seed=3))
    for ours, theirs in zip(
        written, ov.compare(model, TEXT, policies, 6, temperature=1.0, seed=3), strict=True
    ):
        np.testing.assert_array_equal(ours.token_ids, theirs.token_ids)
    facts = ask(ModelRequest(model.name))
    assert facts.geometry == model.geometry
    assert facts.provenance.digest == model.digest
    assert set(facts.capabilities) == {"steer", "rows_join", "details"}


def test_an_answer_is_kept_with_its_date_and_its_speed(
    engine: LocalEngine, traced: TraceRequest
) -> None:
    assert engine.kept(traced) is None
    first = engine.submit(traced)
    record = first.result(SOON)
    assert not first.cached
    again = engine.submit(traced)
    assert again.done
    assert again.cached
    assert again.result() is record is engine.kept(traced)
    assert again.progress == Progress("done")


@pytest.mark.parametrize("tokens", [0, 3])
def test_a_time_is_measured_anew_each_time(engine: LocalEngine, model: Model, tokens: int) -> None:
    for request in (TimeRequest(model.name, TEXT, EIGHT, tokens, 2), BandwidthRequest(model.name)):
        tickets = [engine.submit(request) for _ in range(2)]
        records = [ticket.result(SOON) for ticket in tickets]
        assert records[0] is not records[1]
        assert not any(ticket.cached for ticket in tickets)
        assert engine.kept(request) is None


def test_details_name_a_run_and_make_it_only_once(
    engine: LocalEngine, traced: TraceRequest, gate: Gate
) -> None:
    gate.open.set()
    ask = asking(engine)
    seen = ask(InspectRequest(traced, 1, 2, (EIGHT, ov.RoutingPolicy(16))))
    ask(PredictRequest(traced, (0, 1)))
    run = ask(traced)
    assert gate.calls == 1
    used = set(seen.ids[seen.weights[0] > 0].tolist())
    assert used == set(run.expert_ids[1, 2].tolist())


def test_steps_come_while_the_text_is_written(engine: LocalEngine, model: Model) -> None:
    ticket = engine.submit(GenerateRequest(model.name, TEXT, (EIGHT, ov.RoutingPolicy(2)), 9))
    steps = list(ticket.steps())
    assert [step.index for step in steps] == list(range(9))
    written = ticket.result(SOON)
    for row, generation in enumerate(written):
        assert "".join(step.rows[row].text for step in steps) == generation.text
    assert ticket.new_steps(after=7) == steps[7:]
    assert ticket.new_steps(after=9) == []


def test_the_steps_of_a_time_are_its_runs(engine: LocalEngine, model: Model) -> None:
    ticket = engine.submit(TimeRequest(model.name, TEXT, EIGHT, new_tokens=4, runs=3))
    assert list(ticket.steps()) == ticket.result(SOON).seconds.tolist()


def test_those_who_wait_are_told_how_many_come_before(
    engine: LocalEngine, model: Model, gate: Gate
) -> None:
    requests = [TraceRequest(model.name, TEXT, ov.RoutingPolicy(k)) for k in (1, 2, 3, 4)]
    first, *others = (engine.submit(request, "a") for request in requests[:3])
    assert gate.reached.wait(SOON)
    another = engine.submit(requests[3], "b")
    assert first.progress.stage == "running"
    assert [ticket.progress for ticket in others] == [
        Progress("waiting", 2),
        Progress("waiting", 3),
    ]
    assert another.progress == Progress("waiting", 1)  # who has not been served yet
    with pytest.raises(TimeoutError):
        another.result(0)
    gate.open.set()
    for ticket in (first, *others, another):
        assert ticket.result(SOON).policy in {request.policy for request in requests}


def test_a_full_line_refuses(model: Model, gate: Gate) -> None:
    engine = LocalEngine(model, line_length=1)
    requests = [TraceRequest(model.name, TEXT, ov.RoutingPolicy(k)) for k in (1, 2, 3)]
    first = engine.submit(requests[0])
    assert gate.reached.wait(SOON)
    second = engine.submit(requests[1])
    with pytest.raises(BusyError, match="1 requests are waiting"):
        engine.submit(requests[2])
    gate.open.set()
    assert first.result(SOON)
    assert second.result(SOON)


def test_what_was_cancelled_in_the_line_is_never_computed(
    engine: LocalEngine, model: Model, gate: Gate
) -> None:
    first, second = (
        engine.submit(TraceRequest(model.name, TEXT, ov.RoutingPolicy(k))) for k in (1, 2)
    )
    assert gate.reached.wait(SOON)
    second.cancel()
    gate.open.set()
    with pytest.raises(CancelledError):
        second.result(SOON)
    assert first.result(SOON).policy == ov.RoutingPolicy(1)
    assert gate.calls == 1


def test_a_cancelled_text_keeps_what_was_written(engine: LocalEngine, model: Model) -> None:
    """The text is longer than the context allows to end by itself before it is cancelled."""
    request = GenerateRequest(model.name, TEXT, (EIGHT, ov.RoutingPolicy(64)), 60)
    held = threading.Event()
    ticket = engine.submit(request)
    while len(ticket.new_steps(0, SOON)) < 2:
        held.wait(0.001)
    ticket.cancel()
    with pytest.raises(CancelledError) as caught:
        ticket.result(SOON)
    written = caught.value.generations
    assert [row.finish for row in written] in (["stopped"] * 2, ["length"] * 2)
    assert len(written[0].token_ids) >= 2
    assert engine.kept(request) is None


def test_a_long_text_is_left_between_two_parts(
    engine: LocalEngine, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("olmoe_viz.engine.prompt.PART", 4)
    for request in (
        TraceRequest(model.name, TEXT * 4, EIGHT),
        ScoreRequest(model.name, TEXT * 4, (EIGHT, ov.RoutingPolicy(2))),
        TimeRequest(model.name, TEXT * 4, EIGHT),
    ):
        _left_between_two_parts(engine, request)


def _left_between_two_parts(engine: LocalEngine, request: Request) -> None:
    ticket = Ticket(request)
    told: list[Progress] = []

    def cancel_at_the_second(progress: Progress, on_cancel: object = None) -> None:
        told.append(progress)
        if progress.done:
            ticket.cancel()

    ticket.advance = cancel_at_the_second  # type: ignore[method-assign]
    with pytest.raises(CancelledError):
        engine._answer(ticket)
    assert told[-1].stage == "running"
    assert 0 < told[-1].done < told[-1].total


FAILURES: dict[str, tuple[Exception, type[Exception], str]] = {
    "memory": (MemoryError(), OutOfMemoryError, "memory ran out"),
    "cuda": (torch.OutOfMemoryError("CUDA"), OutOfMemoryError, "memory ran out"),
    "torch": (RuntimeError("a.\nb"), EngineError, "The model stopped: a. Run again"),
    "input": (ov.InputError("Shorten it."), ov.InputError, "^Shorten it.$"),
    "bug": (KeyError("place"), KeyError, "place"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_an_error_is_told_in_a_sentence_and_the_next_request_is_answered(
    engine: LocalEngine, model: Model, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    error, kind, words = FAILURES[name]

    def failing(*_: object) -> ov.Trace:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(tracing, "trace", failing)
        ticket = engine.submit(TraceRequest(model.name, TEXT, EIGHT))
        with pytest.raises(kind, match=words):
            ticket.result(SOON)
    assert engine.submit(TraceRequest(model.name, TEXT, EIGHT)).result(SOON).text == TEXT


def test_a_text_that_breaks_off_carries_what_was_written(
    engine: LocalEngine, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, calls = PlainDecoder.step, iter(range(100))

    def failing(*arguments: object) -> object:
        if next(calls) == 4:  # the first reads the prompt
            raise RuntimeError("the device is gone")
        return step(*arguments)

    monkeypatch.setattr(PlainDecoder, "step", failing)
    ticket = engine.submit(GenerateRequest(model.name, TEXT, (EIGHT,), 9))
    with pytest.raises(GenerationError, match="after 3 tokens: the device is gone") as caught:
        ticket.result(SOON)
    (written,) = caught.value.generations
    assert (len(written.token_ids), written.finish) == (3, "error")
    assert engine.kept(ticket.request) is None


class Loads:
    """Stands for `load_model`; holds the loading until it is let go."""

    def __init__(self, *models: Model) -> None:
        self.models = list(models)
        self.began, self.go = threading.Event(), threading.Event()
        self.error: Exception | None = None

    def __call__(self, name: str, progress: Callable[[int, int], None]) -> Model:
        progress(3, 10)
        self.began.set()
        assert self.go.wait(SOON)
        if self.error is not None:
            raise self.error
        progress(10, 10)
        return replace(self.models.pop(0), name=name)


@pytest.fixture
def loads(model: Model, monkeypatch: pytest.MonkeyPatch) -> Iterator[Loads]:
    made = Loads(model, replace(model, digest="sha256:other"))
    monkeypatch.setattr(pool, "load_model", made)
    yield made
    made.go.set()


def test_a_model_is_loaded_when_first_asked_for(loads: Loads) -> None:
    engine = LocalEngine()
    tickets = [engine.submit(ModelRequest("some-model")) for _ in range(2)]
    assert loads.began.wait(SOON)
    assert tickets[0].progress == Progress("loading", 3, 10)
    loads.go.set()
    assert {ticket.result(SOON).provenance.model for ticket in tickets} == {"some-model"}


def test_requests_to_a_model_that_is_there_go_on_while_another_loads(
    loads: Loads, model: Model
) -> None:
    engine = LocalEngine(model)
    waiting = engine.submit(ModelRequest("some-model"))
    assert loads.began.wait(SOON)
    assert engine.submit(TraceRequest(model.name, TEXT, EIGHT)).result(SOON).text == TEXT
    assert not waiting.done


def test_whoever_gives_up_a_loading_is_done_at_once_and_ends_it(loads: Loads) -> None:
    engine = LocalEngine()
    ticket = engine.submit(ModelRequest("some-model"))
    assert loads.began.wait(SOON)
    ticket.cancel()
    with pytest.raises(CancelledError):
        ticket.result(SOON)
    loads.go.set()
    again = engine.submit(ModelRequest("some-model"))
    again.wait(SOON)
    assert again.done


def test_a_model_that_cannot_be_loaded_is_told(loads: Loads) -> None:
    loads.error = ov.ModelError("It is damaged.")
    loads.go.set()
    engine = LocalEngine()
    with pytest.raises(ov.ModelError, match="It is damaged"):
        engine.submit(ModelRequest("some-model")).result(SOON)


def test_answers_of_other_weights_under_the_same_name_are_forgotten(loads: Loads) -> None:
    loads.go.set()
    engine = LocalEngine()
    request = TraceRequest("some-model", TEXT, EIGHT)
    first = engine.submit(request).result(SOON)
    assert engine.kept(request) is first
    engine._pool = pool.ModelPool()  # as after another model took its place
    facts = engine.submit(ModelRequest("some-model")).result(SOON)
    assert facts.provenance.digest != first.provenance.digest
    assert engine.kept(request) is None


def test_a_large_model_is_given_back_when_nobody_has_used_it_for_long(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[ref[Any]] = []

    def load(*arguments: Any, **options: Any) -> Model:
        loaded = load_model(*arguments, **options)
        made.append(ref(loaded.module))
        return loaded

    monkeypatch.setattr(pool, "load_model", load)
    monkeypatch.setattr(local, "_IDLE", 0.01)
    engine = LocalEngine(idle_seconds=0.01)
    (written,) = engine.submit(GenerateRequest(str(folder), TEXT, (EIGHT,), 20)).result(SOON)
    assert written.finish == "length"
    until(lambda: engine._pool.large is None and engine._worker is None)
    assert [module() for module in made] == [None]


def test_the_thread_ends_when_nothing_is_asked_and_starts_again(
    engine: LocalEngine, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "_IDLE", 0.01)
    for k in (1, 2):
        engine.submit(TraceRequest(model.name, TEXT, ov.RoutingPolicy(k))).result(SOON)
        worker = engine._worker
        if worker is not None:
            worker.join(SOON)
        assert engine._worker is None
