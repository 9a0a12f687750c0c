"""What is compiled is kept for the next process, until one of the kernels' files changes."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from olmoe_viz.engine.kernels.cpu import machine_code


def add(first, second):  # numba reads the types from the call
    return first + second


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(machine_code, "_HERE", tmp_path)
    (tmp_path / "kernel.py").write_text("one", encoding="utf-8")
    return tmp_path


def test_a_later_process_compiles_only_after_a_change(sources: Path) -> None:
    first, second = machine_code.kept(add), machine_code.kept(add)
    assert first(1, 2) == second(1, 2) == 3
    assert [sum(each.stats.cache_hits.values()) for each in (first, second)] == [0, 1]
    (sources / "kernel.py").write_text("two", encoding="utf-8")
    third = machine_code.kept(add)
    assert third(1, 2) == 3
    assert sum(third.stats.cache_hits.values()) == 0


def test_without_a_place_to_keep_it_the_function_is_compiled_all_the_same(
    sources: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(machine_code.FunctionCache._impl_class, "_locator_classes", [])
    assert machine_code.kept(add)(1, 2) == 3


def test_on_a_full_disk_it_is_compiled_for_this_process(
    sources: Path, full_disk: Callable[[], AbstractContextManager[None]]
) -> None:
    with full_disk():
        assert machine_code.kept(add)(1, 2) == 3
    after = [machine_code.kept(add) for _ in range(2)]
    assert [each(1, 2) for each in after] == [3, 3]
    assert [sum(each.stats.cache_hits.values()) for each in after] == [0, 1]


@pytest.mark.parametrize("pattern", ["*.nbi", "*.nbc"])
def test_damaged_code_is_compiled_anew_and_kept_again(sources: Path, pattern: str) -> None:
    assert machine_code.kept(add)(1, 2) == 3
    (damaged,) = sources.rglob(pattern)
    damaged.write_bytes(damaged.read_bytes()[:-40])
    after = [machine_code.kept(add) for _ in range(2)]
    assert [each(1, 2) for each in after] == [3, 3]
    assert [sum(each.stats.cache_hits.values()) for each in after] == [0, 1]
