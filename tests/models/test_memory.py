import ctypes
from pathlib import Path
from weakref import ref

import psutil
import pytest
import torch

from olmoe_viz.models import memory
from olmoe_viz.numerics.geometry import OLMOE_1B_7B, Geometry

CPU = torch.device("cpu")
SMALL = Geometry(2, 4, 1, 8, 4, 2, 2, 100, 64)


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list of the free bytes of GPUs that this machine seems to have, to be filled."""
    free: list[int] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(free))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda gpu: (free[gpu.index], 0))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 0)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: 0)
    return free


def test_the_real_model_needs_its_14_gigabytes_and_a_tenth() -> None:
    assert memory.weight_bytes(OLMOE_1B_7B, torch.bfloat16) == int(6_919_161_856 * 2 * 1.1)


def test_the_gpu_with_most_room_is_taken(gpus: list[int]) -> None:
    gpus += [10**9, 80 * 10**9]
    placed = memory.place(OLMOE_1B_7B, None, None)
    assert (placed.device, placed.dtype) == (torch.device("cuda", 1), torch.bfloat16)


def test_what_pytorch_holds_without_using_it_is_free(
    gpus: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    gpus += [5000]
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 900)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: 200)
    assert memory.free_bytes(torch.device("cuda", 0)) == 5700


def test_a_model_too_large_for_one_gpu_is_spread(gpus: list[int]) -> None:
    gpus += [9 * 10**9, 9 * 10**9]
    assert memory.place(OLMOE_1B_7B, None, None).device is None


def test_a_model_too_large_for_everything_is_refused(
    gpus: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    gpus += [4 * 10**9]
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("M", (), {"available": 2 * 10**9}))
    with pytest.raises(memory.MemoryShortage, match=r"need 15\.2 GB and 6\.0 GB are free on all"):
        memory.place(OLMOE_1B_7B, None, None)


def test_a_cpu_computes_small_models_in_float32_and_large_ones_in_bfloat16(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda _: 10**12)
    assert memory.place(SMALL, CPU, None).dtype == torch.float32
    assert memory.place(OLMOE_1B_7B, CPU, None).dtype == torch.bfloat16
    assert memory.place(SMALL, CPU, torch.float16).dtype == torch.float16


def test_a_container_has_what_its_limit_leaves(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    unlimited = memory.free_bytes(CPU)
    assert unlimited > 10_000
    (tmp_path / "memory.max").write_text("5000\n")
    (tmp_path / "memory.current").write_text("4000\n")
    (tmp_path / "memory.stat").write_text("anon 3500\ninactive_file 300\n")
    assert memory.free_bytes(CPU) == 1300
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.free_bytes(CPU) > 10_000


def test_released_memory_is_that_of_what_nothing_refers_to(
    gpus: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Part:
        whole: "Part"

    done: list[bool] = []
    part = Part()
    part.whole = part  # as a module's parts do, so that only the collector frees it
    kept = ref(part)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: done.append(kept() is None))
    del part
    memory.release_memory()
    assert done == [True]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    memory.release_memory()
    assert done == [True]


def test_freed_memory_goes_back_where_the_c_library_can(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    library = type("Library", (), {"malloc_trim": staticmethod(asked.append)})
    monkeypatch.setattr(ctypes, "CDLL", lambda _: library)
    memory.give_back()
    assert asked == [0]
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    memory.give_back()
