"""From the device to plain host memory."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_STAGED = 32 * 2**20  # bytes of page-locked memory at a time, twice
_DTYPES = {torch.float32: np.float32, torch.int16: np.int16}
# Tensors of equal shape and kind, wherever they are, and what they shall be on the host.
Quantity = tuple[Sequence[Tensor], torch.dtype]


def to_host(quantities: Sequence[Quantity]) -> list[NDArray[Any]]:
    """Copy each quantity into one new array, its tensors in order.

    From a GPU they go through page-locked memory: what is copied has the width that it has on the
    device, and the copy runs at the speed of the bus. The device usually still computes when this
    is called, so all copies are started, and memory is made ready, before any is waited for.
    """
    if quantities[0][0][0].device.type != "cuda":
        return [_plain(*each) for each in quantities]
    on_way = [_OnWay(*each) for each in quantities]
    return [each.arrived() for each in on_way]


def _plain(values: Sequence[Tensor], dtype: torch.dtype) -> NDArray[Any]:
    target = np.empty((len(values), *values[0].shape), _DTYPES[dtype])
    for value, row in zip(values, torch.from_numpy(target), strict=True):
        row.copy_(value)
    return target


class _OnWay:
    """One quantity on its way, in parts, a part while the one before is converted."""

    def __init__(self, values: Sequence[Tensor], dtype: torch.dtype) -> None:
        self._values, self._device = values, values[0].device
        self._together = max(_STAGED // values[0].nbytes, 1)
        shape = (min(self._together, len(values)), *values[0].shape)
        self._staged = [torch.empty(shape, dtype=values[0].dtype, pin_memory=True)]
        self._starts = range(0, len(values), self._together)
        self._events = [self._start(0)]
        self._target = np.empty((len(values), *shape[1:]), _DTYPES[dtype])
        if len(self._starts) == 1:
            # The first touch of a page takes longer than the copy, and here it delays nothing.
            torch.from_numpy(self._target).zero_()

    def _start(self, number: int) -> torch.cuda.Event:
        if number == 1:
            self._staged.append(torch.empty_like(self._staged[0], pin_memory=True))
        start = self._starts[number]
        # Put together there first: each copy over the bus has to be started by the host.
        part = torch.stack(
            [value.to(self._device) for value in self._values[start : start + self._together]]
        )
        self._staged[number % 2][: len(part)].copy_(part, non_blocking=True)
        copied: torch.cuda.Event = torch.cuda.current_stream(self._device).record_event()
        return copied

    def arrived(self) -> NDArray[Any]:
        """Wait for the last part and return the array."""
        for number, start in enumerate(self._starts):
            if number + 1 < len(self._starts):
                self._events.append(self._start(number + 1))
            self._events[number].synchronize()
            part = torch.from_numpy(self._target[start : start + self._together])
            part.copy_(self._staged[number % 2][: len(part)])
        return self._target
