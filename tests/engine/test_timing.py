"""Times of one row alone, and of memory."""

import pytest
import torch

from olmoe_viz import InputError, RoutingPolicy
from olmoe_viz.engine import timing
from olmoe_viz.engine.engine import Ask
from olmoe_viz.engine.local import LocalEngine
from olmoe_viz.models.model import Model
from olmoe_viz.requests import BandwidthRequest, TimeRequest

POLICY = RoutingPolicy(64)


def test_a_copy_counts_what_is_read_and_what_is_written(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = iter([9.0, 0.5, 0.25])
    monkeypatch.setattr(timing, "_copy_seconds", lambda *_: next(seconds))
    request = BandwidthRequest(model.name)
    found = timing.copy_bandwidth(model, request, copied=1000, copies=2)
    assert found.bytes_per_second == 8000
    assert (found.copied, found.copies, found.device) == (1000, 2, "cpu")


def test_a_copy_on_the_cpu_takes_all_threads(
    ask: Ask, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[int] = []
    copy = timing._copy_seconds

    def watch(*arrays: torch.Tensor) -> float:
        used.append(torch.get_num_threads())
        return copy(*arrays)

    monkeypatch.setattr(timing, "_copy_seconds", watch)
    before = torch.get_num_threads()
    found = ask(BandwidthRequest(model.name))
    assert found.threads == before
    assert set(used) == {before}
    assert found.bytes_per_second > 0


@pytest.mark.parametrize("new_tokens", [0, 3])
def test_each_run_has_its_seconds_and_is_a_step(model: Model, new_tokens: int) -> None:
    ticket = LocalEngine(model).submit(TimeRequest(model.name, "ab", POLICY, new_tokens, runs=2))
    found = ticket.result()
    assert found.seconds.shape == (2,)
    assert list(ticket.steps()) == found.seconds.tolist()


def test_the_first_run_is_not_counted(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []
    told: list[float] = []

    def write(_: Model, __: TimeRequest, tokens: int, ___: object) -> tuple[float, str]:
        written.append(tokens)
        return float(len(written)), "the pass"

    monkeypatch.setattr(timing, "_write", write)
    request = TimeRequest(model.name, "ab", POLICY, new_tokens=5, runs=3)
    found = timing.measure(model, request, told.append, lambda *_: None)
    assert written == [2, 5, 5, 5]
    assert found.seconds.tolist() == told == [2, 3, 4]
    assert found.provenance.runner == "the pass"


def test_what_does_not_fit_is_refused(ask: Ask, model: Model) -> None:
    with pytest.raises(InputError, match="at least 1 run"):
        TimeRequest(model.name, "ab", POLICY, new_tokens=3, runs=0)
    for new_tokens in (0, 3):
        with pytest.raises(InputError, match="k must be from 1 to 64; it is 65"):
            ask(TimeRequest(model.name, "ab", RoutingPolicy(65), new_tokens))
        with pytest.raises(InputError, match="no text yet"):
            ask(TimeRequest(model.name, "", POLICY, new_tokens))
    with pytest.raises(InputError, match="at most 94 can be generated"):
        ask(TimeRequest(model.name, (65, 66), POLICY, new_tokens=95))
