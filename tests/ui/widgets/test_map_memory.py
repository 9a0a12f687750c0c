"""What the map remembers of the records that it draws."""

from collections.abc import Callable

import pytest

from olmoe_viz import Trace
from olmoe_viz.ui.widgets import routing_map


def test_what_is_drawn_of_a_record_is_read_once(
    make_trace: Callable[..., Trace], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, same, other = make_trace(), make_trace(), make_trace(seed=1)
    digests = [routing_map._digest(trace) for trace in (one, same, other)]
    assert digests[0] == digests[1] != digests[2]
    monkeypatch.delattr("hashlib.blake2b")
    assert routing_map._digest(one) == digests[0]
