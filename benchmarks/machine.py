"""What machine this is, how fast it moves bytes, and how things are timed on it."""

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import psutil
import tokenizers
import torch
import transformers

from olmoe_viz.models.memory import free_bytes

T = TypeVar("T")
_COPIED = 2 * 2**30  # bytes on a GPU: far more than its caches hold
_COPIED_ON_CPU = 256 * 2**20
_COPIES = 4


@dataclass(frozen=True)
class Run:
    """One timed run: seconds until the first token, between it and the last one, and in all.

    `tokens` counts those of all `rows`. A run that writes no tokens, or whose caller cannot tell
    when the first came, has nan in their place.
    """

    total: float
    first: float = float("nan")
    between: float = float("nan")
    tokens: int = 0
    rows: int = 1

    @property
    def speed(self) -> float:
        """Tokens per second of all rows, after the first token of each."""
        return (self.tokens - self.rows) / self.between


def describe(device: torch.device) -> dict[str, Any]:
    """Return the machine, the versions and the date, for the head of a table."""
    cuda = device.type == "cuda"
    versions = {library.__name__: library.__version__ for library in (torch, transformers)}
    versions |= {"tokenizers": tokenizers.__version__, "python": platform.python_version()}
    if cuda:
        import triton  # comes with torch where there is a GPU

        versions |= {"triton": triton.__version__, "cuda": str(torch.version.cuda)}
    return {
        "device": torch.cuda.get_device_name(device) if cuda else _processor(),
        "kind": device.type,
        "cores": os.process_cpu_count() if hasattr(os, "process_cpu_count") else os.cpu_count(),
        "threads": torch.get_num_threads(),
        # What else the machine does while it is timed: 0 on one that is idle.
        "load": os.getloadavg()[0],
        "memory": torch.cuda.mem_get_info(device)[1] if cuda else psutil.virtual_memory().total,
        "versions": versions,
        "date": datetime.now(UTC).isoformat(timespec="minutes"),
    }


def _processor() -> str:
    """Return the processor's name as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def wait(device: torch.device) -> None:
    """Wait until a GPU has done all it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def timed(work: Callable[[], object], device: torch.device) -> float:
    """Return the seconds that some work takes, the device's part included."""
    wait(device)
    began = time.perf_counter()
    work()
    wait(device)
    return time.perf_counter() - began


def in_turn(runs: Mapping[str, Callable[[], T]], rounds: int) -> dict[str, list[T]]:
    """Run each in turn, `rounds` times after one round that is not counted; what they returned."""
    done: dict[str, list[T]] = {name: [] for name in runs}
    for _ in range(rounds + 1):
        for name, run in runs.items():
            done[name].append(run())
    return {name: all_of[1:] for name, all_of in done.items()}


def summary(runs: Sequence[Run]) -> dict[str, Any]:
    """Return the medians of some runs, and every run's seconds in all."""
    medians = {"seconds": statistics.median(run.total for run in runs)}
    if runs[0].tokens:
        medians["first_token"] = statistics.median(run.first for run in runs)
        medians["tokens_per_second"] = statistics.median(run.speed for run in runs)
        medians["whole_tokens_per_second"] = runs[0].tokens / medians["seconds"]
    return medians | {"every_run": [run.total for run in runs]}


def copy_bandwidth(device: torch.device) -> float:
    """Return the bytes per second that copying within a device's memory reads and writes.

    With all threads on a CPU. Takes twice the bytes that are copied.
    """
    wished = _COPIED if device.type == "cuda" else _COPIED_ON_CPU
    source = torch.ones(min(wished, free_bytes(device) // 4), dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    target.copy_(source)

    def copies() -> None:
        for _ in range(_COPIES):
            target.copy_(source)

    return 2 * _COPIES * source.numel() / timed(copies, device)


def to_host_bandwidth(device: torch.device) -> float | None:
    """Return the bytes per second from a GPU to page-locked host memory; None on a CPU."""
    if device.type != "cuda":
        return None
    source = torch.ones(2**29, dtype=torch.uint8, device=device)
    target = torch.empty(2**29, dtype=torch.uint8, pin_memory=True)
    target.copy_(source, non_blocking=True)
    seconds = [timed(lambda: target.copy_(source, non_blocking=True), device) for _ in range(5)]
    return source.numel() / statistics.median(seconds)
