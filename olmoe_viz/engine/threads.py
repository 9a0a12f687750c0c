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

from olmoe_viz.numerics.costs import total_parameters
from olmoe_viz.models.load import Model

_WORTH_SHARING = 2.5e9  # tokens times parameters: some fifty tokens of the bundled model
ALL = torch.get_num_threads()


@contextmanager
def threads(model: Model, tokens: int) -> Iterator[None]:
    """Run so many tokens in this block with one thread if that is little work, else with all.

    All are as many as torch had when this module was loaded. Not the number found at the start of
    the block: a thread that begins beside another's small pass inherits its one.
    """
    work = tokens * total_parameters(model.geometry)
    torch.set_num_threads(ALL if work > _WORTH_SHARING else 1)
    try:
        yield
    finally:
        torch.set_num_threads(ALL)
