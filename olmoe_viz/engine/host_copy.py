"""From the device to plain host memory."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_STAGED = 32 * 2**20  # bytes of page-locked memory at a time, twice
_DTYPES = {torch.float32: np.float32, torch.int16: np.int16}


def to_host(values: Sequence[Tensor], dtype: torch.dtype) -> NDArray[Any]:
    """Copy tensors of equal shape and kind, wherever they are, into one new array, in order.

    From a GPU they go through page-locked memory, a part while the one before is converted: what is
    copied has the width that it has on the device, and the copy runs at the speed of the bus.
    """
    target = np.empty((len(values), *values[0].shape), _DTYPES[dtype])
    if values[0].device.type != "cuda":
        for value, row in zip(values, torch.from_numpy(target), strict=True):
            row.copy_(value)
        return target
    together = max(_STAGED // values[0].nbytes, 1)
    shape = (min(together, len(values)), *values[0].shape)
    staged = [torch.empty(shape, dtype=values[0].dtype, pin_memory=True) for _ in range(2)]
    waiting: list[tuple[int, int, torch.cuda.Event]] = []
    for number, start in enumerate(range(0, len(values), together)):
        part = values[start : start + together]
        for value, row in zip(part, staged[number % 2], strict=False):
            row.copy_(value, non_blocking=True)
        arrived = torch.cuda.current_stream(part[-1].device).record_event()
        waiting.append((start, len(part), arrived))
        if number > 0:
            _unstage(waiting[number - 1], staged[(number - 1) % 2], target)
    _unstage(waiting[-1], staged[(len(waiting) - 1) % 2], target)
    return target


def _unstage(part: tuple[int, int, torch.cuda.Event], staged: Tensor, target: NDArray[Any]) -> None:
    start, count, arrived = part
    arrived.synchronize()
    torch.from_numpy(target[start : start + count]).copy_(staged[:count])
