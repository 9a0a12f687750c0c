"""The line: whose turn it is, and what those who wait are told."""

import threading

import pytest

from olmoe_viz.engine.engine import Ticket
from olmoe_viz.engine.line import Line
from olmoe_viz.errors import BusyError
from olmoe_viz.requests import ModelRequest


def tickets(*names: str) -> list[Ticket]:
    return [Ticket(ModelRequest(name)) for name in names]


def taken(line: Line, count: int) -> list[str]:
    return [line.take(0).request.model for _ in range(count)]


def test_visitors_take_turns_however_much_one_asks() -> None:
    line = Line(10)
    for visitor, name in zip("aaaabbc", "1234567", strict=True):
        line.join(visitor, *tickets(name))
    assert taken(line, 7) == ["1", "5", "7", "2", "6", "3", "4"]
    assert line.take(0) is None


def test_places_are_those_in_which_tickets_are_taken() -> None:
    line = Line(10)
    made = tickets(*"1234567")
    for visitor, ticket in zip("aaaabbc", made, strict=True):
        line.join(visitor, ticket)
    order = [line.before(ticket) for ticket in made]
    assert order == [0, 3, 5, 6, 1, 4, 2]
    assert line.take(0) is made[0]
    assert [line.before(ticket) for ticket in made[1:]] == [3, 5, 6, 1, 4, 2]


def test_those_who_gave_up_are_not_counted() -> None:
    line = Line(10)
    first, second, third = tickets("1", "2", "3")
    for visitor, ticket in zip("abc", (first, second, third), strict=True):
        line.join(visitor, ticket)
    assert line.take(0) is first
    assert line.before(third) == 2
    second.cancel()
    assert line.before(third) == 1


def test_a_full_line_is_refused_with_its_length() -> None:
    line = Line(2)
    for ticket in tickets("1", "2"):
        line.join("a", ticket)
    with pytest.raises(BusyError, match="2 requests are waiting"):
        line.join("b", *tickets("3"))
    line.take(0)
    line.join("b", *tickets("3"))


def test_whoever_takes_waits_for_the_next_to_join() -> None:
    line, found = Line(2), []
    thread = threading.Thread(target=lambda: found.append(line.take(30.0)))
    thread.start()
    (ticket,) = tickets("1")
    line.join("a", ticket)
    thread.join(30.0)
    assert found == [ticket]
