"""The line for heavy work: order, what is said meanwhile, and every way out of it."""

import threading
from collections.abc import Callable

import pytest
from streamlit.runtime.scriptrunner_utils.exceptions import RerunException, StopException
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData

from olmoe_viz.ui import queue

SOON = 10.0  # seconds that a thread may take on a busy machine


class Slot:
    """A place on the page that keeps what it was told; told something, it may be interrupted."""

    def __init__(self, interrupt: BaseException | None = None) -> None:
        self.said: list[str] = []
        self.spoken = threading.Event()
        self.interrupt = interrupt

    def caption(self, words: str) -> None:
        self.said.append(words)
        self.spoken.set()
        if self.interrupt is not None:
            raise self.interrupt

    def empty(self) -> None:
        self.said.append("")


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> queue.Line:
    """A line with one place, instead of the server's."""
    made = queue.Line(1)
    monkeypatch.setattr(queue, "line", made)
    return made


class Visitor(threading.Thread):
    """Takes a place, says so, and holds it until it is told to go."""

    def __init__(self, slot: Slot) -> None:
        super().__init__(daemon=True)
        self.slot, self.working, self.go = slot, threading.Event(), threading.Event()
        self.start()

    def run(self) -> None:
        with queue.place(self.slot):
            self.working.set()
            self.go.wait(SOON)

    def finish(self) -> None:
        self.go.set()
        self.join(SOON)
        assert not self.is_alive()


@pytest.mark.usefixtures("line")
def test_a_free_place_is_taken_without_a_word() -> None:
    slot = Slot()
    with queue.place(slot):
        pass
    assert slot.said == []


@pytest.mark.usefixtures("line")
def test_those_who_wait_are_told_and_served_in_their_order() -> None:
    first = Visitor(Slot())
    assert first.working.wait(SOON)
    second = Visitor(Slot())
    assert second.slot.spoken.wait(SOON)
    third = Visitor(Slot())
    assert third.slot.spoken.wait(SOON)
    assert second.slot.said[0] == "The server is busy. 1 person is before you."
    assert third.slot.said[0] == "The server is busy. 2 people are before you."
    assert not second.working.is_set()
    first.finish()
    assert second.working.wait(SOON)
    assert second.slot.said[-1] == ""
    assert not third.working.is_set()
    second.finish()
    assert third.working.wait(SOON)
    third.finish()


def test_as_many_work_at_once_as_there_are_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "line", queue.Line(2))
    visitors = [Visitor(Slot()) for _ in range(2)]
    assert all(visitor.working.wait(SOON) for visitor in visitors)
    for visitor in visitors:
        visitor.finish()


ENDS: dict[str, Callable[[], BaseException]] = {
    "stop": StopException,
    "rerun": lambda: RerunException(RerunData()),
    "memory": MemoryError,
}


@pytest.mark.parametrize("name", ENDS)
def test_whatever_ends_the_work_frees_the_place(name: str, line: queue.Line) -> None:
    end = ENDS[name]()
    with pytest.raises(type(end)), queue.place(Slot()):
        raise end
    next_one = Visitor(Slot())
    assert next_one.working.wait(SOON)
    next_one.finish()


def test_a_tab_closed_while_waiting_leaves_the_line(line: queue.Line) -> None:
    first = Visitor(Slot())
    assert first.working.wait(SOON)
    with pytest.raises(StopException), queue.place(Slot(interrupt=StopException())):
        pytest.fail("There was no place.")
    last = Visitor(Slot())
    assert last.slot.spoken.wait(SOON)
    assert "1 person is" in last.slot.said[0]
    first.finish()
    assert last.working.wait(SOON)
    last.finish()


@pytest.mark.usefixtures("line")
def test_a_place_within_a_place_is_a_mistake() -> None:
    with queue.place(Slot()):
        with pytest.raises(AssertionError), queue.place(Slot()):
            pytest.fail("It would wait for itself.")
        other = Visitor(Slot())
        assert other.slot.spoken.wait(SOON)
    assert other.working.wait(SOON)
    other.finish()
