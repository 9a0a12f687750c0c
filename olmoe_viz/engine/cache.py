"""The key-value cache: what the tokens of every sequence left behind for those after them."""

from collections.abc import Sequence

import torch
from torch import Tensor

from olmoe_viz.families.base import Block

Pair = tuple[Tensor, Tensor]


class KvCache:
    """Keys and values of every layer for `slots` sequences of up to `length` tokens.

    Two tensors per layer, [slots * length, kv_heads * head_dim]: 2 * layers * slots * length *
    hidden values in all, without grouped heads. Slots are independent; one is free again as soon
    as its sequence is no longer stepped.
    """

    def __init__(self, layers: Sequence[Pair], slots: int, length: int) -> None:
        self.slots, self.length, self.layers = slots, length, layers

    @classmethod
    def empty(
        cls, blocks: Sequence[Block], dtype: torch.dtype, slots: int, length: int
    ) -> "KvCache":
        """Return a cache of new tensors."""
        return cls([_pair(block, dtype, slots * length) for block in blocks], slots, length)

    def copy(self, source: int, targets: Sequence[int], tokens: int) -> None:
        """Copy the first `tokens` entries of one slot to others."""
        for pair in self.layers:
            for entries in pair:
                by_slot = entries.view(self.slots, self.length, -1)
                by_slot[list(targets), :tokens] = by_slot[source, :tokens]

    def first(self, slots: int, length: int) -> "KvCache":
        """Return another division of the first slots * length entries, which it shares."""
        entries = slots * length
        layers = [(keys[:entries], values[:entries]) for keys, values in self.layers]
        return KvCache(layers, slots, length)


def _pair(block: Block, dtype: torch.dtype, entries: int) -> Pair:
    # Zeros, not empty: what a mask hides must still be finite.
    shape = (entries, block.kv_heads * block.head_dim)
    keys, values = (torch.zeros(shape, dtype=dtype, device=block.device) for _ in range(2))
    return keys, values
