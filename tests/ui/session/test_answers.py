"""Answers for the pages: kept from run to run, and what is said when there is none."""

import threading
from collections.abc import Callable

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from olmoe_viz import Trace
from olmoe_viz.engine.engine import Answer
from olmoe_viz.errors import (
    BusyError,
    EngineError,
    GenerationError,
    InputError,
    MissingError,
    ModelError,
    OutOfMemoryError,
)
from olmoe_viz.models.catalogue import BUNDLED
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.requests import ModelRequest, Request, TraceRequest
from olmoe_viz.ui.session import answers, engine, errors
from olmoe_viz.ui.session.selection import Selection
from olmoe_viz.ui.texts import frame as texts
from olmoe_viz.ui.widgets import origin
from tests.ui.engines import ByHand, Watched, serve
from tests.ui.test_pages import run_prompt, specs
from tests.ui.visitor import app, page

SENTENCES: list[tuple[Exception, str]] = [
    (InputError("There is no text yet."), "There is no text yet."),
    (ModelError("It is damaged."), "It is damaged."),
    (BusyError("The server is busy."), "The server is busy."),
    (MissingError("No model runs here."), "No model runs here."),
    (GenerationError("It broke off after 3 tokens.", []), "It broke off after 3 tokens."),
    (EngineError("The model stopped: shapes differ."), "The model stopped: shapes differ."),
    (MemoryError(), "The memory ran out. "),
    (OutOfMemoryError("The memory ran out after 3 rows."), "The memory ran out. Shorten"),
    (RuntimeError("shapes differ.\n  at line 3"), "The model stopped: shapes differ. Run again"),
]
EXAMPLE = TraceRequest(BUNDLED, Selection().prompt, RoutingPolicy(8))


def asked(request: Request) -> Answer:
    return answers.asking(st.empty())(request)


@pytest.mark.parametrize(("error", "start"), SENTENCES)
def test_trouble_is_a_sentence(error: Exception, start: str) -> None:
    assert isinstance(error, errors.TROUBLE)
    said = errors.sentence(error)
    assert said.startswith(start)
    assert said.endswith(".")
    assert "\n" not in said


@pytest.mark.parametrize(
    "error",
    [OutOfMemoryError("no memory"), EngineError("It broke."), ModelError("It is damaged.")],
)
def test_a_run_that_breaks_off_is_said_and_the_next_one_works(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        broken = Watched()
        broken.broken[TraceRequest] = error
        serve(patch, broken)
        test = run_prompt(app(), f"A text of its own for {type(error).__name__}")
    assert len(test.error) == 1
    assert specs(test) == []
    (again,) = (button for button in test.button if button.label == texts.AGAIN)
    again = again.click().run()
    assert len(again.error) == 0
    assert specs(again)


def test_a_prompt_is_run_once_for_all_pages_and_visitors(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched()
    serve(monkeypatch, watched)
    prompt = "Nobody else asks for this."
    test = run_prompt(app(), prompt)
    assert specs(page(page(test, "about"), "map"))
    assert specs(run_prompt(app(), prompt))
    # Under both ks: the map shows what each would write next.
    assert watched.asked == [TraceRequest(BUNDLED, prompt, RoutingPolicy(k)) for k in (8, 16)]


def test_the_bundled_record_is_shown_without_asking_the_engine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    by_hand = ByHand()
    serve(monkeypatch, by_hand)
    found = asked(EXAMPLE)
    assert found is engine.bundled().kept(EXAMPLE)
    assert by_hand.tickets == []
    source, details = answers.where(found)
    assert source == answers.source(EXAMPLE) == "recorded"
    assert details == origin.details(found.provenance, "k=8")


def test_what_a_model_is_says_the_engine_that_runs_it() -> None:
    facts = asked(ModelRequest(BUNDLED))
    assert facts.capabilities
    assert facts is engine.current().kept(ModelRequest(BUNDLED))


def test_what_the_engine_computed_is_live(make_trace: Callable[..., Trace]) -> None:
    made = make_trace()
    assert answers.where(made)[0] == answers.source(made.request) == "live"


def test_an_answer_that_comes_at_once_is_returned_and_its_ticket_ended(
    monkeypatch: pytest.MonkeyPatch, make_trace: Callable[..., Trace]
) -> None:
    made = make_trace()
    by_hand = ByHand(lambda ticket: ticket.finish(made))
    serve(monkeypatch, by_hand)
    assert asked(made.request) is made
    assert by_hand.tickets[0].cancelled


def test_an_answer_is_not_waited_for_longer_than_it_takes(
    monkeypatch: pytest.MonkeyPatch, make_trace: Callable[..., Trace]
) -> None:
    """The ticket wakes the page; nothing sleeps until the next look at it."""
    made, waits = make_trace(), []

    def soon(ticket: answers.Ticket) -> None:
        wait = ticket.wait

        def note(timeout: float | None = None) -> bool:
            waits.append(timeout)
            return wait(timeout)

        ticket.wait = note  # type: ignore[method-assign]
        threading.Timer(0.02, ticket.finish, [made]).start()

    serve(monkeypatch, ByHand(soon))
    assert asked(made.request) is made
    assert waits == [0.2, None]  # one look, and then the record


def test_errors_are_raised_for_analyses_and_said_on_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    serve(monkeypatch, ByHand(lambda ticket: ticket.fail(InputError("Too long."))))
    request = TraceRequest(BUNDLED, "a", RoutingPolicy(8))
    with pytest.raises(InputError):
        asked(request)
    told: list[str] = []
    monkeypatch.setattr(errors, "refusal", told.append)
    assert answers.answer(request) is None
    assert told == ["Too long."]


def test_a_full_line_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: answers.Ticket) -> None:
        raise BusyError("The server is busy.")

    serve(monkeypatch, ByHand(full))
    told: list[str] = []
    monkeypatch.setattr(errors, "refusal", told.append)
    assert answers.answer(TraceRequest(BUNDLED, "a", RoutingPolicy(8))) is None
    assert told == ["The server is busy."]


def test_a_session_is_one_visitor_to_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    by_hand = ByHand(lambda ticket: ticket.fail(InputError("No.")))
    serve(monkeypatch, by_hand)
    for _ in range(2):
        run_prompt(run_prompt(app(), "one"), "two")
    first, again, second, _ = by_hand.visitors
    assert first == again != second


def test_an_answer_keeps_its_place_whether_it_is_waited_for_or_not(
    monkeypatch: pytest.MonkeyPatch, make_trace: Callable[..., Trace]
) -> None:
    def script() -> None:
        import streamlit as st

        from olmoe_viz.policy import RoutingPolicy
        from olmoe_viz.requests import TraceRequest
        from olmoe_viz.ui.session import answers

        answers.answer(TraceRequest("olmoe-nano", "a", RoutingPolicy(8)))
        st.text("below")

    made = make_trace()

    def slow(ticket: answers.Ticket) -> None:
        threading.Timer(0.5, ticket.finish, [made]).start()

    places = []
    for on_submit in (slow, lambda ticket: ticket.finish(made)):
        serve(monkeypatch, ByHand(on_submit))
        test = AppTest.from_function(script).run(timeout=30)
        places.append(next(at for at, part in test.main.children.items() if part.type == "text"))
    assert places == [1, 1]
