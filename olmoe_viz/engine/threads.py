"""How many CPU threads a pass computes with.

A product of a few tokens with a small model's weights takes some microseconds. To share it, a
second thread has to be woken, which takes longer, or has to spin while it waits, which starves
every other program. Measured with the bundled model on two cores, tokens per second of one row:
on an otherwise idle machine 119 with one thread, 27 with two that sleep, 137 with two that spin;
beside one other busy program 122, 89 and 18.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

_WORTH_SHARING = 5e8  # tokens times parameters: some ten tokens of the bundled model
_ALL = torch.get_num_threads()


@contextmanager
def threads(tokens: int, parameters: int) -> Iterator[None]:
    """Compute in this block with one thread if the pass is small, else with all.

    All are as many as torch had when this module was loaded. Not the number found at the start of
    the block: a thread that begins beside another's small pass inherits its one.
    """
    torch.set_num_threads(_ALL if tokens * parameters > _WORTH_SHARING else 1)
    try:
        yield
    finally:
        torch.set_num_threads(_ALL)
