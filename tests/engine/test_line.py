"""The line: whose turn it is, and what those who wait are told."""

import threading

import pytest

from olmoe_viz.engine.engine import Ticket
from olmoe_viz.engine.line import Line
from olmoe_viz.errors import BusyError
from olmoe_viz.requests import ModelRequest

KIND = "texts"


def tickets(*names: str) -> list[Ticket]:
    return [Ticket(ModelRequest(name)) for name in names]


def joined(line: Line, visitors: str, names: str, kind: str = KIND) -> list[Ticket]:
    made = tickets(*names)
    for visitor, ticket in zip(visitors, made, strict=True):
        line.join(visitor, kind, ticket)
    return made


def taken(line: Line, count: int, kind: str = KIND) -> list[str]:
    names = []
    for _ in range(count):
        ticket = line.next(kind)
        line.take(ticket)
        names.append(ticket.request.model)
    return names


def test_visitors_take_turns_however_much_one_asks() -> None:
    line = Line(10)
    joined(line, "aaaabbc", "1234567")
    assert taken(line, 7) == ["1", "5", "7", "2", "6", "3", "4"]
    assert line.next(KIND) is None
    assert not line.wait(0)


def test_places_are_those_in_which_tickets_are_taken() -> None:
    line = Line(10)
    made = joined(line, "aaaabbc", "1234567")
    assert [line.before(ticket) for ticket in made] == [0, 3, 5, 6, 1, 4, 2]
    assert line.next(KIND) is made[0]
    line.take(made[0])
    assert [line.before(ticket) for ticket in made[1:]] == [2, 4, 5, 0, 3, 1]


def test_kinds_have_places_of_their_own_and_visitors_take_turns_over_all() -> None:
    line = Line(10)
    texts, others = joined(line, "ab", "12"), joined(line, "ab", "34", "jobs")
    assert line.kinds() == [KIND, "jobs"]
    assert [line.before(ticket) for ticket in texts + others] == [0, 1, 0, 1]
    assert taken(line, 1, "jobs") == ["3"]
    assert line.next(KIND) is texts[1]  # of the visitor who was not just served


def test_those_who_gave_up_are_not_counted() -> None:
    line = Line(10)
    _, second, third = joined(line, "abc", "123")
    assert line.before(third) == 2
    second.cancel()
    assert line.before(third) == 1


def test_a_full_line_is_refused_with_its_length() -> None:
    line = Line(2)
    joined(line, "aa", "12")
    with pytest.raises(BusyError, match="2 requests are waiting"):
        joined(line, "b", "3")
    taken(line, 1)
    joined(line, "b", "3")


def test_whoever_takes_waits_for_the_next_to_join() -> None:
    line, found = Line(2), []
    thread = threading.Thread(target=lambda: found.append(line.wait(30.0)))
    thread.start()
    joined(line, "a", "1")
    thread.join(30.0)
    assert found == [True]
