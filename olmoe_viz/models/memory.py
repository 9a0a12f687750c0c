"""What a model's weights need, what is free, and so where the model goes."""

import ctypes
import gc
import os
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

from olmoe_viz.numerics.costs import total_parameters
from olmoe_viz.numerics.geometry import Geometry

_CGROUP = Path("/sys/fs/cgroup")
_HEADROOM = 1.1  # activations, the cache of a run, and one layer's experts while they are joined
_SMALL = 10**9  # parameters: up to here a CPU computes in float32


class MemoryShortage(Exception):  # noqa: N818  # named for what it is, caught in one place
    """The weights do not fit; the text says both figures."""


@dataclass(frozen=True)
class Placement:
    """A single device, or None when accelerate spreads the model over all there are."""

    device: torch.device | None
    dtype: torch.dtype


def place(geometry: Geometry, device: torch.device | None, dtype: torch.dtype | None) -> Placement:
    """Choose device and dtype for a model; raises MemoryShortage with both figures.

    By default the GPU with the most free memory, else all GPUs and the CPU together; without a
    GPU the CPU. float32 for small models on a CPU, bfloat16 for the rest.
    """
    if device is None and torch.cuda.is_available():
        chosen = dtype or torch.bfloat16
        need = weight_bytes(geometry, chosen)
        gpus = [torch.device("cuda", index) for index in range(torch.cuda.device_count())]
        free = [free_bytes(gpu) for gpu in gpus]
        if need <= max(free):
            return Placement(gpus[free.index(max(free))], chosen)
        _check(need, sum(free) + free_bytes(torch.device("cpu")), "on all GPUs and the CPU")
        return Placement(None, chosen)
    device = device or torch.device("cpu")
    small = device.type == "cpu" and total_parameters(geometry) <= _SMALL
    dtype = dtype or (torch.float32 if small else torch.bfloat16)
    _check(weight_bytes(geometry, dtype), free_bytes(device), f"on {device}")
    return Placement(device, dtype)


def weight_bytes(geometry: Geometry, dtype: torch.dtype) -> int:
    """Return the bytes that loading needs: the parameters in that dtype and a tenth more."""
    return int(total_parameters(geometry) * dtype.itemsize * _HEADROOM)


def free_bytes(device: torch.device) -> int:
    """Return the bytes free on a GPU, or for this process on the CPU, container limits included.

    What PyTorch holds of a GPU without using it is free for the next tensors too.
    """
    if device.type == "cuda":
        held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + held
    available = int(psutil.virtual_memory().available)
    limit = _container_bytes()
    return available if limit is None else min(available, limit)


def release_memory() -> None:
    """Free what nothing refers to any longer, on the CPU and on the GPUs.

    A module's parts refer to each other, so the last reference to a model does not free it, and
    the collection passes by what an application has set aside with `gc.freeze`.
    """
    gc.unfreeze()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    give_back()


def give_back() -> None:
    """Return freed memory to the system, where the C library can (glibc's malloc_trim).

    Reading a checkpoint leaves about as much freed memory behind as its weights take.
    """
    if os.name == "posix":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def _container_bytes() -> int | None:
    """Return what the control group (version 2) leaves; None without a limit."""
    try:
        limit = int((_CGROUP / "memory.max").read_text())
        used = int((_CGROUP / "memory.current").read_text())
        entries = (_CGROUP / "memory.stat").read_text().split()
    except (OSError, ValueError):  # no control group, or the limit is the word "max"
        return None
    cached = int(entries[entries.index("inactive_file") + 1])
    return max(limit - used + cached, 0)


def _check(need: int, free: int, where: str) -> None:
    if need > free:
        raise MemoryShortage(
            f"Its weights need {_size(need)} and {_size(free)} are free {where}. "
            "Close other programs, or choose a smaller model or a larger machine."
        )


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"


def out_of_memory(error: Exception) -> bool:
    """Whether memory ran out; PyTorch says so for the CPU only in a RuntimeError's words."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and "allocate memory" in str(error)
    )
