"""How many CPU threads a pass computes with.

A product of a few tokens with a small model's weights takes some microseconds. To share it, a
second thread has to be woken, which takes longer, or has to spin while it waits, which starves
every other program. Measured with the bundled model on two cores, tokens per second of one row:
on an otherwise idle machine 119 with one thread, 27 with two that sleep, 137 with two that spin;
beside one other busy program 122, 89 and 18. A pass over 30 tokens takes 37 ms with one thread and
35 with two, one over 100 tokens 58 and 50.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from olmoe_viz.models.model import Model
from olmoe_viz.numerics.costs import total_parameters

_WORTH_SHARING = 2.5e9  # tokens times parameters: some fifty tokens of the bundled model


@contextmanager
def threads(model: Model, tokens: int) -> Iterator[None]:
    """Run so many tokens in this block with one thread if that is little work.

    Otherwise with as many as there were before the block, which it leaves as it found.
    """
    before = torch.get_num_threads()
    small = tokens * total_parameters(model.geometry) <= _WORTH_SHARING
    if small and before > 1:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        if small and before > 1:
            torch.set_num_threads(before)
