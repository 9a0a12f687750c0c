"""The key-value cache: what the tokens of every sequence left behind for those after them."""

from collections.abc import Sequence

import torch
from torch import Tensor

from olmoe_viz.families.base import Block
from olmoe_viz.models.memory import free_bytes
from olmoe_viz.models.model import Model

Pair = tuple[Tensor, Tensor]
# On a GPU, whose memory nothing else wants: 2.1 GB of OLMoE.
_GPU_TOKENS, _SHARE_OF_FREE = 16_384, 4


class KvCache:
    """Keys and values of every layer; slot s holds up to `length` tokens from `bases[s]` on.

    Two tensors per layer, [entries, kv_heads * head_dim], one entry a token: 2 * layers * entries *
    hidden values in all, without grouped heads. Slots are independent; one is free again as soon
    as its sequence is no longer stepped.
    """

    def __init__(self, layers: Sequence[Pair], bases: Sequence[int], length: int) -> None:
        self.layers, self.bases, self.length = layers, bases, length

    @classmethod
    def empty(
        cls, blocks: Sequence[Block], dtype: torch.dtype, slots: int, length: int
    ) -> "KvCache":
        """Return a cache of new tensors, its slots one behind the other."""
        layers = [_pair(block, dtype, slots * length) for block in blocks]
        return cls(layers, range(0, slots * length, length), length)

    def at(self, bases: Sequence[int], length: int) -> "KvCache":
        """Return other slots in the same memory."""
        return KvCache(self.layers, bases, length)

    def copy(self, source: int, targets: Sequence[int], tokens: int) -> None:
        """Copy the first `tokens` entries from one entry on to others."""
        for pair in self.layers:
            for entries in pair:
                for target in targets:
                    entries[target : target + tokens] = entries[source : source + tokens]


class Entries:
    """Which entries of a cache are taken: pieces of any length, the lowest that is free first."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._taken: list[tuple[int, int]] = []  # first and behind the last, rising

    def take(self, count: int) -> int | None:
        """Return the first of so many free entries in one piece; None where there are none."""
        first = 0
        for place, (begin, end) in enumerate([*self._taken, (self.count, self.count)]):
            if begin - first >= count:
                self._taken.insert(place, (first, first + count))
                return first
            first = end
        return None

    def give_back(self, first: int) -> None:
        """Free the piece that begins there."""
        self._taken = [piece for piece in self._taken if piece[0] != first]


def bytes_of_entry(blocks: Sequence[Block], dtype: torch.dtype) -> int:
    """Return the bytes that one token takes in the cache."""
    return sum(2 * block.kv_heads * block.head_dim * dtype.itemsize for block in blocks)


def bytes_of_token(model: Model) -> int:
    """Return the bytes that one token of a row takes in the cache of a model, at most."""
    if model.parts is not None:
        return bytes_of_entry(model.parts.blocks, model.dtype)
    return 2 * model.geometry.layers * model.geometry.hidden * model.dtype.itemsize


def entries_on_gpu(model: Model) -> int:
    """Return the tokens, of all rows, in the cache of a model on a GPU.

    16,384, or what a quarter of the memory that is free takes.
    """
    return min(_GPU_TOKENS, free_bytes(model.device) // _SHARE_OF_FREE // bytes_of_token(model))


def _pair(block: Block, dtype: torch.dtype, entries: int) -> Pair:
    # On a CPU entries that no token has come to take no memory yet. On a GPU there are zeros: what
    # a mask hides must be finite.
    make = torch.empty if block.device.type == "cpu" else torch.zeros
    shape = (entries, block.kv_heads * block.head_dim)
    keys, values = (make(shape, dtype=dtype, device=block.device) for _ in range(2))
    return keys, values
