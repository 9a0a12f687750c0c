"""What the map remembers of the records that it draws, and what it takes for a pick."""

from collections.abc import Callable

import pytest

from olmoe_viz import Trace
from olmoe_viz.ui.widgets import routing_map
from olmoe_viz.ui.widgets.routing_map import MapEvent


def test_what_is_drawn_of_a_record_is_read_once(
    make_trace: Callable[..., Trace], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, same, other = make_trace(), make_trace(), make_trace(seed=1)
    digests = [routing_map._digest(trace) for trace in (one, same, other)]
    assert digests[0] == digests[1] != digests[2]
    monkeypatch.delattr("hashlib.blake2b")
    assert routing_map._digest(one) == digests[0]


@pytest.mark.parametrize(
    ("sent", "event"),
    [
        ({"token": 3, "layer": 0}, MapEvent(3, 0)),
        ({"token": 3, "layer": 0, "lastToken": 5, "lastLayer": 0}, MapEvent(3, 0, 5, 0)),
        ({"token": None, "layer": None}, None),
        ({"token": 3, "layer": None}, None),
        ({"token": -1, "layer": 0}, None),
        ({"token": True, "layer": 0}, None),
        ({"token": "3", "layer": 0}, None),
        ({"token": 3, "layer": 0, "lastToken": 2, "lastLayer": 0}, None),
        ("nonsense", None),
        (None, None),
    ],
)
def test_only_cells_are_events(sent: object, event: MapEvent | None) -> None:
    assert routing_map._event(sent) == event
