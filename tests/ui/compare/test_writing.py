"""The page draws by its own period, however many steps an engine makes meanwhile."""

from collections.abc import Iterator
from contextlib import ExitStack
from types import SimpleNamespace

import numpy as np
import pytest

from olmoe_viz.engine.engine import Ticket
from olmoe_viz.numerics.geometry import OLMOE_1B_7B
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.records.generation import RowStep, Step
from olmoe_viz.requests import GenerateRequest
from olmoe_viz.ui.compare import live_map, writing
from olmoe_viz.ui.compare.comparison import Column, Comparison
from olmoe_viz.ui.compare.settings import Settings
from olmoe_viz.ui.session import answers

LOGITS = np.zeros((16, 64), dtype=np.float32)
IDS, WEIGHTS = np.zeros((16, 1), dtype=np.int16), np.ones((16, 1), dtype=np.float32)


class HandMoved(Ticket):
    """A request whose steps come at the waits for it: at each as many as is said, then it ends."""

    def __init__(self, steps_at_waits: list[int]) -> None:
        super().__init__(GenerateRequest("m", "p", (RoutingPolicy(8),), 512))
        self.waits: list[float | None] = []
        self._coming: Iterator[int] = iter(steps_at_waits)
        self._made = 0

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout)
        number = next(self._coming, None)
        for _ in range(number or 0):
            row = RowStep(self._made, "a", -1.0, None, LOGITS, IDS, WEIGHTS)
            self.add_step(Step(self._made, (row,), 0.01 * self._made))
            self._made += 1
        if number is None:
            self.finish(())
        return number is None


class Line:
    """The place of the progress; counts what is drawn there."""

    def __init__(self) -> None:
        self.drawn: list[str] = []

    def progress(self, _: float, text: str) -> None:
        self.drawn.append(text)


@pytest.fixture
def comparison() -> Comparison:
    return Comparison("p", "m", "d", OLMOE_1B_7B, 2, Settings(), [Column(RoutingPolicy(8))])


def written(
    comparison: Comparison, steps_at_waits: list[int], patch: pytest.MonkeyPatch
) -> tuple[HandMoved, Line, list[int]]:
    """Let a ticket that is moved by hand write; returns it, the line and the tokens drawn."""
    ticket, line, drawn = HandMoved(steps_at_waits), Line(), list[int]()
    patch.setattr(answers, "submit", lambda _: ticket)
    patch.setattr(answers, "wait_for_start", lambda *_: None)
    writing.write(comparison, line, lambda: drawn.append(comparison.written))
    return ticket, line, drawn


def test_all_steps_of_a_period_are_drawn_at_once(
    comparison: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket, line, drawn = written(comparison, [100, 0, 0, 300, 1], monkeypatch)
    assert drawn == [100, 400, 401]
    assert len(line.drawn) == 1 + len(drawn)  # "Reading the prompt." comes first
    followed = ticket.waits[:6]  # the last wait ends it; one more is for the record
    assert followed == [writing.PERIOD] * 6
    assert writing.PERIOD >= 0.1


def test_in_a_crowd_a_page_draws_less_often_and_loses_nothing(
    comparison: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = writing._Pages()
    monkeypatch.setattr(writing, "_pages", pages)
    monkeypatch.setattr(writing, "time", SimpleNamespace(monotonic=lambda: now[0]))
    now, crowd = [100.0], ExitStack()
    for _ in range(39):
        crowd.enter_context(pages.one_more())
    ticket, steps = HandMoved([1] * 30), []
    monkeypatch.setattr(answers, "submit", lambda _: ticket)
    monkeypatch.setattr(answers, "wait_for_start", lambda *_: None)
    wait = ticket.wait

    def later(timeout: float | None = None) -> bool:
        now[0] += writing.PERIOD
        return wait(timeout)

    monkeypatch.setattr(ticket, "wait", later)
    writing.write(comparison, Line(), lambda: steps.append(comparison.written))
    # 40 pages share 40 drawings a second, so each draws at every tenth wait, the first at once.
    assert steps == [1, 11, 21]
    crowd.close()
    assert pages.pause() == 0


def test_no_step_is_lost_or_drawn_twice(
    comparison: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(comparison, [1, 2, 3], monkeypatch)
    assert comparison.columns[0].token_ids == list(range(6))


def test_the_map_is_sent_at_every_second_drawing(
    comparison: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[int] = []
    monkeypatch.setattr(live_map, "_head", lambda _: None)
    monkeypatch.setattr(
        live_map,
        "GrowingMap",
        lambda **_: SimpleNamespace(show=lambda columns, **_: shown.append(len(columns.tokens))),
    )
    growing = live_map.LiveMap(comparison, 0)
    ticket = HandMoved([1] * 6)
    while not ticket.wait(None):
        comparison.take(ticket.new_steps(comparison.written, timeout=0)[0])
        growing.show()
    assert shown == [1, 3, 5]
