import pytest
import torch

from olmoe_viz import InputError, RoutingPolicy
from olmoe_viz.analysis import speed
from olmoe_viz.engine import threads
from olmoe_viz.models.load import Model


def test_a_copy_counts_what_is_read_and_what_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 9.0, 10.0, 10.5, 20.0, 20.25])
    monkeypatch.setattr(speed.time, "perf_counter", lambda: next(clock))
    found = speed.copy_bandwidth("cpu", copied=1000, copies=2)
    assert found.bytes_per_second == 8000
    assert (found.copied, found.copies, found.device) == (1000, 2, "cpu")


def test_a_copy_on_the_cpu_takes_all_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[int] = []
    copy = speed._copy_seconds

    def watch(*arrays: torch.Tensor) -> float:
        used.append(torch.get_num_threads())
        return copy(*arrays)

    monkeypatch.setattr(speed, "_copy_seconds", watch)
    before = torch.get_num_threads()
    torch.set_num_threads(threads.ALL + 1)
    try:
        assert speed.copy_bandwidth("cpu", copied=1000, copies=2).threads == threads.ALL
    finally:
        torch.set_num_threads(before)
    assert used == [threads.ALL] * 3


def test_each_run_yields_its_seconds_per_token(model: Model) -> None:
    found = list(speed.decode_seconds(model, "ab", RoutingPolicy(64), tokens=3, runs=2))
    assert len(found) == 2
    assert min(found) > 0


def test_less_than_one_run_is_refused(model: Model) -> None:
    with pytest.raises(InputError, match="at least 1 run"):
        list(speed.decode_seconds(model, "ab", RoutingPolicy(8), tokens=3, runs=0))
