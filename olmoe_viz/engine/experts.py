"""The experts' arithmetic, chosen by where it runs and by how many experts the tokens use.

Knows nothing about routing: it is given expert ids and weights. A weight of exactly 0 (a row
whose k is smaller than the batch's largest) adds nothing, and on a CPU it costs nothing either.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers.integrations.moe import ALL_EXPERTS_FUNCTIONS

_CHUNK = 256  # tokens at a time: bounds the copies of hidden states to chunk * k rows
_FEW = 16
_Mix = Callable[[Any, Tensor, Tensor, Tensor], Tensor]
_PAIRS = 65_536  # of a token and an expert at a time on a GPU: bounds their copies to 1 GB


def experts_of(module: Any) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """Return how the experts of a module are computed: by `mix`, where their weights are at hand.

    Where accelerate keeps the weights elsewhere the module's own call brings them.
    """
    return module if hasattr(module, "_hf_hook") else partial(mix, module)


def mix(experts: Any, hidden: Tensor, ids: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted sum of expert outputs, [tokens, hidden].

    `experts` is a module with the matrices of all experts, `gate_up_proj` [experts, 2 *
    intermediate, hidden] and `down_proj` [experts, hidden, intermediate], and their `act_fn`.
    `hidden` is [tokens, hidden], `ids` and `weights` are [tokens, k]. Each expert is SwiGLU,
    W_down(silu(W_gate x) * W_up x) (arXiv 2409.02060, section 2). On a GPU this is torch's grouped
    matrix product in bfloat16, transformers' otherwise. On the CPU (timed on two cores at a width
    of 192): one token goes expert by expert; few tokens that use most experts go through all of
    them in two batched products; everything else is grouped by expert.
    """
    if hidden.device.type == "cuda" and hidden.dtype == torch.bfloat16:
        size = max(_PAIRS // ids.shape[1], 1)
        return _in_parts(_grouped_on_gpu, size, experts, hidden, ids, weights)
    if hidden.device.type != "cpu":
        grouped = ALL_EXPERTS_FUNCTIONS["grouped_mm"]
        mixed: Tensor = grouped(experts, hidden, ids, weights)
        return mixed
    tokens = hidden.shape[0]
    if tokens > _CHUNK:
        return _in_parts(_grouped, _CHUNK, experts, hidden, ids, weights)
    share = int(weights.count_nonzero()) / (tokens * experts.down_proj.shape[0])
    if tokens <= _FEW and share > (0.75 if tokens == 1 else 0.4):
        return _dense(experts, hidden, ids, weights)
    if tokens == 1:
        return _one_by_one(experts, hidden, ids, weights)
    return _grouped(experts, hidden, ids, weights)


def _in_parts(compute: _Mix, size: int, experts: Any, *tensors: Tensor) -> Tensor:
    """Compute `size` tokens at a time."""
    parts = zip(*(torch.split(tensor, size) for tensor in tensors), strict=True)
    return torch.cat([compute(experts, *part) for part in parts])


def _one_by_one(experts: Any, hidden: Tensor, ids: Tensor, weights: Tensor) -> Tensor:
    gate_up, down, vector = experts.gate_up_proj, experts.down_proj, hidden[0]
    chosen = ids[0].tolist()
    inner = hidden.new_empty(len(chosen), gate_up.shape[1])
    for expert, row in zip(chosen, inner.unbind(), strict=True):
        torch.mv(gate_up[expert], vector, out=row)
    weighted = _gated(experts, inner).mul_(weights.view(-1, 1))
    total = torch.zeros_like(vector)
    for expert, row in zip(chosen, weighted.unbind(), strict=True):
        total.addmv_(down[expert], row)
    return total.unsqueeze(0)


def _dense(experts: Any, hidden: Tensor, ids: Tensor, weights: Tensor) -> Tensor:
    gate_up, down = experts.gate_up_proj, experts.down_proj
    spread = weights.new_zeros(len(hidden), len(down)).scatter_(1, ids, weights)
    repeated = hidden.expand(len(down), -1, -1)
    inner = _gated(experts, torch.bmm(repeated, gate_up.transpose(1, 2)))  # [experts, tokens, :]
    return torch.bmm(inner * spread.t().unsqueeze(-1), down.transpose(1, 2)).sum(0)


def _grouped(experts: Any, hidden: Tensor, ids: Tensor, weights: Tensor) -> Tensor:
    gate_up, down = experts.gate_up_proj, experts.down_proj
    flat = weights.flatten()
    pairs = flat.nonzero().squeeze(1)
    chosen, order = ids.flatten()[pairs].sort(stable=True)
    pairs = pairs[order]
    tokens = pairs // ids.shape[1]
    used, counts = torch.unique_consecutive(chosen, return_counts=True)
    groups, sizes = used.tolist(), counts.tolist()
    inner = _products(hidden[tokens], gate_up, groups, sizes)
    inner = _gated(experts, inner) * flat[pairs].unsqueeze(1)
    outputs = _products(inner, down, groups, sizes)
    return torch.zeros_like(hidden).index_add_(0, tokens, outputs)


def _grouped_on_gpu(experts: Any, hidden: Tensor, ids: Tensor, weights: Tensor) -> Tensor:
    """Compute in one product for each matrix, tokens sorted by expert; nothing is waited for."""
    gate_up, down = experts.gate_up_proj, experts.down_proj
    tokens, k = ids.shape
    chosen, order = ids.flatten().sort(stable=True)
    ends = torch.searchsorted(
        chosen, torch.arange(len(down), device=ids.device), right=True, out_int32=True
    )
    inner = _gated(experts, F.grouped_mm(hidden[order // k], gate_up.transpose(1, 2), offs=ends))
    inner *= weights.flatten()[order].unsqueeze(1)
    outputs = F.grouped_mm(inner, down.transpose(1, 2), offs=ends)
    places = torch.empty_like(order)
    places[order] = torch.arange(len(order), device=order.device)
    return outputs[places].view(tokens, k, -1).sum(1)


def _products(inputs: Tensor, matrices: Tensor, groups: list[int], sizes: list[int]) -> Tensor:
    """Multiply runs of rows, `sizes` long, by the matrices of their experts, `groups`."""
    runs = zip(groups, torch.split(inputs, sizes), strict=True)
    return torch.cat([torch.mm(run, matrices[expert].t()) for expert, run in runs])


def _gated(experts: Any, inner: Tensor) -> Tensor:
    """Return silu(gate) * up from [..., 2 * intermediate], gate first."""
    gate, up = inner.chunk(2, dim=-1)
    activated: Tensor = experts.act_fn(gate)
    return activated * up
