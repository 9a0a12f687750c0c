"""One engine and many visitors: everybody gets what is theirs, in turn, whatever happens."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

import olmoe_viz as ov
from olmoe_viz.engine.decoder import Part, PlainDecoder, Stepped
from olmoe_viz.engine.engine import Ticket
from olmoe_viz.engine.local import LocalEngine
from olmoe_viz.engine.scheduler import Scheduler
from olmoe_viz.errors import CancelledError, GenerationError
from olmoe_viz.models.model import Model
from olmoe_viz.requests import GenerateRequest, ScoreRequest, TraceRequest

SOON = 60.0  # seconds that a thread may take on a busy machine
EIGHT = ov.RoutingPolicy(8)
Step = Callable[[PlainDecoder, Sequence[Part]], Stepped]


class Steps:
    """Counts the steps of all decoders; holds the one of this number until it is let go."""

    def __init__(self, patch: pytest.MonkeyPatch, held: int = -1) -> None:
        self.rows: list[int] = []
        self.held = held
        self.reached, self.go = threading.Event(), threading.Event()
        step: Step = PlainDecoder.step

        def counted(decoder: PlainDecoder, parts: Sequence[Part]) -> Stepped:
            if len(self.rows) == self.held:
                go = self.go
                self.reached.set()
                assert go.wait(SOON)
            self.rows.append(len(parts))
            return step(decoder, parts)

        patch.setattr(PlainDecoder, "step", counted)

    def go_on_to(self, held: int) -> None:
        """Let the held step go, and wait until another is held."""
        go, self.held = self.go, held
        self.reached, self.go = threading.Event(), threading.Event()
        go.set()
        assert self.reached.wait(SOON)


def request(model: Model, number: int, tokens: int = 6, rows: int = 1) -> GenerateRequest:
    return GenerateRequest(model.name, (5 + number, 9), (EIGHT,) * rows, tokens, 0.8, 1.0, number)


def check(model: Model, tickets: Sequence[Ticket]) -> None:
    """Compare every text with its solo run."""
    for ticket in tickets:
        asked, written = ticket.request, ticket.result(SOON)
        drawn = asked.temperature, asked.top_p, asked.seed
        solo = ov.compare(model, asked.prompt, asked.policies, asked.max_new_tokens, *drawn)
        for own, alone in zip(written, solo, strict=True):
            assert own.token_ids.tolist() == alone.token_ids.tolist()
            assert own.text == alone.text


def test_texts_of_all_visitors_share_steps(
    engine: LocalEngine, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        steps = Steps(patch, held=2)
        tickets = [engine.submit(request(model, 0), "0")]
        assert steps.reached.wait(SOON)
        tickets += [engine.submit(request(model, i, 4 + i), str(i)) for i in range(1, 6)]
        steps.go.set()
        assert all(ticket.wait(SOON) for ticket in tickets)
    assert max(steps.rows) == 6
    assert len(steps.rows) <= 2 + 2 + 9  # the longest text, and what was before it
    check(model, tickets)


def test_slots_go_round_the_visitors(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, ended = LocalEngine(model, rows=1), []
    steps = Steps(monkeypatch, held=1)
    visitors = "aaab"
    tickets = [engine.submit(request(model, i, 3), who) for i, who in enumerate(visitors)]
    assert steps.reached.wait(SOON)
    for number, ticket in enumerate(tickets):
        ticket.watch(lambda number=number, ticket=ticket: ticket.done and ended.append(number))
    steps.go.set()
    assert all(ticket.wait(SOON) for ticket in tickets)
    assert list(dict.fromkeys(ended)) == [0, 3, 1, 2]
    assert set(steps.rows) == {1}


def test_what_can_never_fit_is_refused_with_the_figures(model: Model) -> None:
    engine = LocalEngine(model, rows=2, kv_bytes=20_000)
    few = engine.submit(request(model, 0, rows=3))
    with pytest.raises(ov.InputError, match="writes at most 2 rows"):
        few.result(SOON)
    with pytest.raises(ov.InputError, match=r"1 rows of 62 tokens need .* MB"):
        engine.submit(request(model, 0, 60)).result(SOON)
    check(model, [engine.submit(request(model, 0, 6, rows=2))])


def test_a_short_job_is_done_between_two_steps_and_a_long_one_lets_texts_go_on(
    engine: LocalEngine, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("olmoe_viz.engine.prompt.PART", 4)
    text = tuple(range(5, 65))
    with monkeypatch.context() as patch:
        steps = Steps(patch, held=1)
        writing = engine.submit(request(model, 1, 60), "a")
        assert steps.reached.wait(SOON)
        long = engine.submit(ScoreRequest(model.name, text, (EIGHT, ov.RoutingPolicy(2))), "b")
        short = engine.submit(TraceRequest(model.name, (7, 8), EIGHT), "c")
        order: list[str] = []
        for name, ticket in (("short", short), ("long", long), ("text", writing)):
            ticket.watch(lambda name=name, ticket=ticket: ticket.done and order.append(name))
        steps.go.set()
        assert all(ticket.wait(SOON) for ticket in (writing, long, short))
        assert list(dict.fromkeys(order)) == ["short", "long", "text"]
    assert writing.result() is not None
    check(model, [writing])


def test_who_leaves_is_gone_before_the_next_step(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = LocalEngine(model, rows=1)
    steps = Steps(monkeypatch, held=3)
    first, second, third = (engine.submit(request(model, i, 40), str(i)) for i in range(3))
    assert steps.reached.wait(SOON)
    second.cancel()  # who only waits is done at once
    assert second.done
    first.cancel()
    steps.go.set()
    with pytest.raises(CancelledError) as caught:
        first.result(SOON)
    assert len(caught.value.generations[0].token_ids) == 3
    assert third.wait(SOON)
    assert len(steps.rows) == 4 + 41  # the prompt in a step of its own
    check(model, [third])


def test_equal_requests_are_one_text_that_whoever_leaves_does_not_end(
    engine: LocalEngine, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        steps = Steps(patch, held=3)
        first = engine.submit(request(model, 0, 20), "0")
        assert steps.reached.wait(SOON)
        others = [engine.submit(request(model, 0, 20), str(i)) for i in range(1, 40)]
        another_seed = replace(request(model, 0, 20), seed=9)
        other = engine.submit(another_seed, "other")
        steps.go_on_to(5)
        first.cancel()
        steps.go.set()
        with pytest.raises(CancelledError) as caught:
            first.result(SOON)
        assert all(ticket.wait(SOON) for ticket in [*others, other])
    assert len(caught.value.generations[0].token_ids) == 5
    assert max(steps.rows) == 2
    assert len(steps.rows) <= 3 + 1 + 21
    (written,) = others[0].result()
    for ticket in others:
        told = [step.rows[0].token_id for step in ticket.steps()]
        assert [each for each in told if each is not None] == written.token_ids.tolist()
    check(model, [*others[:2], other])


def test_a_text_ends_when_all_who_asked_for_it_have_left(
    engine: LocalEngine, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = Steps(monkeypatch, held=3)
    tickets = [engine.submit(request(model, 0, 40), str(i)) for i in range(2)]
    assert steps.reached.wait(SOON)
    steps.go_on_to(5)
    for ticket in tickets:
        ticket.cancel()
    steps.go.set()
    for ticket in tickets:
        with pytest.raises(CancelledError):
            ticket.result(SOON)
    assert len(steps.rows) == 6


def dying(patch: pytest.MonkeyPatch, times: int) -> None:
    """Let the engine's thread end in the middle of its steps."""
    step, left = Scheduler.step, [times]

    def last(scheduler: Scheduler) -> None:
        step(scheduler)
        if left[0] and scheduler.groups and scheduler.groups[0].written > 1:
            left[0] -= 1
            raise SystemExit

    patch.setattr(Scheduler, "step", last)


def test_when_the_thread_ends_another_goes_on_with_everything(
    engine: LocalEngine, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    dying(monkeypatch, 1)
    check(model, [engine.submit(request(model, i), str(i)) for i in range(3)])


def test_when_no_thread_comes_further_those_at_work_are_told_and_the_next_is_answered(
    engine: LocalEngine, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        dying(patch, 3)
        ticket = engine.submit(request(model, 0, 50))
        with pytest.raises(GenerationError, match="the engine was interrupted"):
            ticket.result(SOON)
    check(model, [engine.submit(request(model, 1))])
