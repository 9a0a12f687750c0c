"""What a pass records: tensors while it runs, numpy once it is through.

Everything stays on the device until the pass is through, so that nothing waits for it.
"""

from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from olmoe_viz.engine.host_copy import Quantity, to_host
from olmoe_viz.families.gate import Weighed

Arrays = dict[str, NDArray[Any]]
# The residual stream entering each block and leaving the last; its norms; what attention adds.
Wish = Literal["hidden_states", "hidden_norms", "attention_outputs"]


def fitted(arrays: Arrays, width: int) -> Arrays:
    """Return arrays of which `expert_ids` and `weights` have `width` columns.

    Columns that only other rows of the batch use are cut off; those that no token used are added.
    """
    missing = max(width - arrays["expert_ids"].shape[-1], 0)
    ids, weights = arrays["expert_ids"][..., :width], arrays["weights"][..., :width]
    if missing:
        around = [(0, 0)] * (ids.ndim - 1) + [(0, missing)]
        ids, weights = np.pad(ids, around, constant_values=-1), np.pad(weights, around)
    return arrays | {"expert_ids": ids, "weights": weights}


class Taps:
    """Records one pass of `rows` rows: the routing always, and what is wished for.

    A pass calls `add_routing` once for each layer of experts, `add_hidden` for each block and after
    the last, and `add_attention` for each block.
    """

    def __init__(self, rows: int, *wishes: Wish) -> None:
        self._rows, self._wishes = rows, frozenset(wishes)
        self._logits: list[Tensor] = []
        self._weighed: list[Weighed] = []
        self._others: dict[Wish, list[Tensor]] = {wish: [] for wish in wishes}

    def add_routing(self, logits: Tensor, weighed: Weighed) -> None:
        """Take raw router logits [rows * tokens, experts] and what runs."""
        self._logits.append(logits)
        self._weighed.append(weighed)

    def add_hidden(self, hidden: Tensor) -> None:
        """Take the residual stream, [rows, tokens, hidden]."""
        if "hidden_norms" in self._wishes:
            self._others["hidden_norms"].append(hidden.float().norm(dim=-1))
        if "hidden_states" in self._wishes:
            self._others["hidden_states"].append(hidden)

    def add_attention(self, added: Tensor) -> None:
        """Take what attention adds to the residual stream, [rows, tokens, hidden]."""
        if "attention_outputs" in self._wishes:
            self._others["attention_outputs"].append(added)

    def layers_recorded(self) -> int:
        """Return how many layers of experts have been recorded."""
        return len(self._logits)

    def arrays(self) -> Arrays:
        """Return what was recorded, with rows first: [rows, layers, tokens, ...].

        `router_logits` float32, `expert_ids` int16 and `weights` float32, with -1 and 0 where a
        token has no expert, and each wish by its name, float32.
        """
        width = max(each.ids.shape[-1] for each in self._weighed)
        ids = [self._padded(each.named(), width, -1) for each in self._weighed]
        weights = [self._padded(each.weights, width, 0) for each in self._weighed]
        routing: list[Quantity] = [
            (self._logits, torch.float32),
            (ids, torch.int16),
            (weights, torch.float32),
        ]
        others: list[Quantity] = [(values, torch.float32) for values in self._others.values()]
        logits, ids_there, weights_there, *rest = to_host([*routing, *others])
        arrays: Arrays = {
            "router_logits": self._by_row(logits),
            "expert_ids": self._by_row(ids_there),
            "weights": self._by_row(weights_there),
        }
        wished = {name: each.swapaxes(0, 1) for name, each in zip(self._others, rest, strict=True)}
        return arrays | wished

    def by_row(self) -> list[Arrays]:
        """Return what was recorded of each row, [layers, tokens, ...]; see `arrays`."""
        arrays = self.arrays()
        return [{name: each[row] for name, each in arrays.items()} for row in range(self._rows)]

    @staticmethod
    def _padded(values: Tensor, width: int, value: int) -> Tensor:
        missing = width - values.shape[-1]
        return F.pad(values, (0, missing), value=value) if missing else values

    def _by_row(self, copied: NDArray[Any]) -> NDArray[Any]:
        """Return [layers, rows * tokens, n] as [rows, layers, tokens, n]."""
        return copied.reshape(len(copied), self._rows, -1, copied.shape[-1]).swapaxes(0, 1)
