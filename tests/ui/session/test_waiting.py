"""What is said while an answer is waited for, and every way out of the waiting."""

from collections.abc import Callable
from contextlib import nullcontext

import pytest
from streamlit.runtime.scriptrunner import StopException
from streamlit.runtime.scriptrunner_utils.exceptions import RerunException
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData
from streamlit.testing.v1 import AppTest

from olmoe_viz.engine.engine import Progress, Ticket
from olmoe_viz.errors import InputError, ModelError
from olmoe_viz.models import catalogue
from olmoe_viz.models.catalogue import BUNDLED, OnDisk
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.requests import CoalitionRequest, TraceRequest
from olmoe_viz.ui.session import answers, engine, waiting
from tests.ui.engines import ByHand, serve

LARGE = "allenai/OLMoE-1B-7B-0924"


@pytest.fixture(autouse=True)
def whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every model is on this machine, so that nobody is asked before it loads."""
    found = OnDisk(complete=True, arrived=0, free=0, hub_is_off=False)
    monkeypatch.setattr(catalogue, "on_disk", lambda _: found)


class Place:
    """A place on the page that keeps what it was told; told something, it may be interrupted."""

    def __init__(self, interrupt: BaseException | None = None) -> None:
        self.said: list[str] = []
        self.interrupt = interrupt

    def _told(self, words: str) -> None:
        self.said.append(words)
        if self.interrupt is not None:
            raise self.interrupt

    def caption(self, words: str) -> None:
        self._told(words)

    def progress(self, share: float, text: str) -> None:
        self._told(f"{share:.2f} {text}")

    def empty(self) -> None:
        self.said.append("")

    def container(self) -> nullcontext[None]:
        return nullcontext()


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Place:
    """A place for everything: what stands beside a stop button is said there too."""
    made = Place()

    def spinner(words: str, *, show_time: bool) -> nullcontext[None]:
        made.caption(words)
        return nullcontext()

    def stop_button(_: Callable[[], None]) -> None:
        made.said.append("Stop")

    monkeypatch.setattr(waiting.st, "spinner", spinner)
    monkeypatch.setattr(waiting.st, "container", lambda **_: nullcontext())
    monkeypatch.setattr(waiting.st, "empty", lambda: made)
    monkeypatch.setattr(waiting, "stop_button", stop_button)
    monkeypatch.setattr(waiting, "LOOK", 0.001)
    monkeypatch.setattr(waiting, "_PATIENCE", 0.0)
    monkeypatch.setattr(engine, "started", lambda _=None: True)
    return made


class Scripted(Ticket):
    """A ticket that is one stage further at each look, and then done."""

    def __init__(self, *stages: Progress, model: str = BUNDLED) -> None:
        super().__init__(TraceRequest(model, "a", RoutingPolicy(8)))
        self._stages = list(stages)

    def wait(self, *_: float | None) -> bool:
        if not self._stages:
            self.fail(InputError("done"))
            return True
        self.advance(self._stages.pop(0))
        return False


def watch(ticket: Ticket, place: Place, words: str | None = "Running.") -> list[str]:
    """All that was said in the place, until it was empty again."""
    with waiting.Waiting(place, ticket.request.model, words) as wait:
        wait.for_ticket(ticket)
    return place.said


def test_what_takes_no_time_is_not_spoken_of(place: Place) -> None:
    assert watch(Scripted(), place) == []


def test_those_who_wait_in_line_are_told_how_many_come_before(place: Place) -> None:
    waits = ((2, 8.4), (1, None), (0, None))
    ticket = Scripted(*(Progress("waiting", before, seconds=wait) for before, wait in waits))
    assert watch(ticket, place) == [
        "",
        "The server is busy. 2 people are before you. About 8 s.",
        "The server is busy. 1 person is before you.",
        "",
    ]


def test_a_download_is_told_in_bytes_and_can_be_stopped(place: Place) -> None:
    loading = [Progress("loading"), Progress("loading", 5 * 10**9, 20 * 10**9)]
    said = watch(Scripted(*loading, Progress("loading", 8, 8), model=LARGE), place)
    assert said == [
        "",
        "Loading the model. It is large: the first run can take minutes.",
        "Stop",
        "Reading the weights.",
        "0.25 5.0 GB of 20 GB downloaded. What has arrived is kept after a stop.",
        "Reading the weights.",
        "",
    ]


def test_there_is_nothing_to_press_at_first(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "_PATIENCE", 1_000.0)
    said = watch(Scripted(*[Progress("loading")] * 3), place)
    assert said == ["", "Loading the model. The first run takes a few seconds.", ""]


def test_a_long_prompt_is_told_in_tokens_and_can_be_stopped(place: Place) -> None:
    said = watch(Scripted(*(Progress("running", done, 2_000) for done in (0, 256, 512))), place)
    assert said == [
        "",
        "Running.",
        "Stop",
        "0.13 256 of 2,000 tokens",
        "0.26 512 of 2,000 tokens",
        "",
    ]


def test_what_runs_the_text_many_times_is_told_in_steps_and_stopped_alone(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "stop_button", lambda stop: stop())
    stopped: list[str] = []
    ticket = Scripted(Progress("running", 28, 112))
    ticket.request = CoalitionRequest(TraceRequest(BUNDLED, "a", RoutingPolicy(8)), 0)
    with waiting.Waiting(place, BUNDLED, "Running.", lambda: stopped.append("this")) as wait:
        wait.for_ticket(ticket)
    assert stopped == ["this"]
    assert "0.25 28 of 112 steps" in place.said


def test_without_words_a_run_is_not_spoken_of(place: Place) -> None:
    assert set(watch(Scripted(*[Progress("running", 1, 2)] * 3), place, words=None)) == {""}


def test_one_stage_follows_another_in_the_same_place(place: Place) -> None:
    stages = (Progress("loading"), Progress("waiting", 1), Progress("running"))
    said = [words for words in watch(Scripted(*stages), place) if words]
    assert said == [
        "Loading the model. The first run takes a few seconds.",
        "Stop",
        "Reading the weights.",
        "The server is busy. 1 person is before you.",
        "Running.",
    ]


def test_the_start_of_the_engine_is_a_part_of_loading(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = iter((False, False, True))
    monkeypatch.setattr(engine, "started", lambda _: next(looks))
    with waiting.Waiting(place, BUNDLED, "Running.") as wait:
        wait.for_engine()
        wait.for_ticket(Scripted(Progress("loading")))
    # Nothing flickers between the two: it is one spinner.
    assert place.said.count("Loading the model. The first run takes a few seconds.") == 1
    assert place.said.count("Stop") == 1


def test_a_text_that_is_to_be_written_is_waited_for_until_it_begins(place: Place) -> None:
    ticket = Scripted(Progress("waiting", 1), Progress("running"))
    answers.wait_for_start(ticket, place)
    assert not ticket.done
    assert place.said == ["", "The server is busy. 1 person is before you.", ""]


@pytest.mark.parametrize("stage", ["waiting", "loading", "running"])
@pytest.mark.parametrize("end", [StopException, lambda: RerunException(RerunData())])
def test_whatever_ends_the_waiting_cancels_the_request(
    stage: str,
    end: Callable[[], BaseException],
    place: Place,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    by_hand = ByHand(lambda ticket: ticket.advance(Progress(stage, 1, 2)))
    serve(monkeypatch, by_hand)
    place.interrupt = end()
    with pytest.raises(type(place.interrupt)):
        answers.asking(place)(TraceRequest(LARGE, "a", RoutingPolicy(8)))
    assert by_hand.tickets[0].cancelled


def test_a_stop_gets_through_where_nothing_is_said(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even what is shown has to change: the page is touched at every look."""
    looks = iter((None, None, StopException()))

    def touch() -> None:
        interrupt = next(looks)
        if interrupt is not None:
            raise interrupt

    by_hand = ByHand(lambda ticket: ticket.advance(Progress("running")))
    serve(monkeypatch, by_hand)
    monkeypatch.setattr(waiting, "touch", touch)
    with pytest.raises(StopException):
        answers.asking(place, words=None)(TraceRequest(BUNDLED, "a", RoutingPolicy(8)))
    assert by_hand.tickets[0].cancelled


def test_a_failure_to_load_is_told_and_the_next_request_tries_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_hand = ByHand(lambda ticket: ticket.fail(ModelError("It is damaged.")))
    serve(monkeypatch, by_hand)
    told: list[str] = []
    monkeypatch.setattr("olmoe_viz.ui.session.errors.refusal", told.append)
    for _ in range(2):
        assert answers.answer(TraceRequest(LARGE, "a", RoutingPolicy(8)), place) is None
    assert told == ["It is damaged."] * 2
    assert len(by_hand.tickets) == 2


def test_a_stop_leads_back_to_the_bundled_model() -> None:
    def script() -> None:
        import streamlit as st

        from olmoe_viz.models.catalogue import BUNDLED
        from olmoe_viz.ui.session import state

        state.change(model="allenai/OLMoE-1B-7B-0924")
        state.withdraw(model=BUNDLED)
        st.text(f"{state.selection().model} {state.asked()}")

    assert AppTest.from_function(script).run().text[0].value == f"{BUNDLED} False"


def test_a_page_that_waits_twice_has_two_stop_buttons(monkeypatch: pytest.MonkeyPatch) -> None:
    def script() -> None:
        from olmoe_viz.policy import RoutingPolicy
        from olmoe_viz.requests import TraceRequest
        from olmoe_viz.ui.session import answers

        for text in ("one", "two"):
            answers.answer(TraceRequest("olmoe-nano", text, RoutingPolicy(8)))

    made: list[Scripted] = []

    class Slow(ByHand):
        def submit(self, *_: object) -> Ticket:
            made.append(Scripted(*[Progress("loading")] * 3))
            return made[-1]

    serve(monkeypatch, Slow())
    monkeypatch.setattr(waiting, "LOOK", 0.001)
    monkeypatch.setattr(waiting, "_PATIENCE", 0.0)
    buttons: list[str] = []
    stop_button = waiting.stop_button
    monkeypatch.setattr(
        waiting, "stop_button", lambda stop: (stop_button(stop), buttons.append("Stop"))
    )
    page = AppTest.from_function(script).run(timeout=30)
    assert not page.exception
    assert len(page.error) == len(buttons) == len(made) == 2
