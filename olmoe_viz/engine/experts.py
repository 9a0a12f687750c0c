"""The experts' arithmetic, chosen by where it runs and by how many experts the tokens use.

Knows nothing about routing: it is given expert ids and weights. A weight of exactly 0 (a row
whose k is smaller than the batch's largest) adds nothing, and on a CPU it costs nothing either.
"""

import logging
from collections.abc import Callable
from functools import lru_cache, partial
from types import SimpleNamespace
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.integrations.moe import ALL_EXPERTS_FUNCTIONS

_CHUNK = 256  # tokens at a time: bounds the copies of hidden states to chunk * k rows
_FEW = 16
_Mix = Callable[[Any, Tensor, Tensor, Tensor], Tensor]
_TOLERANCE = 0.01  # of the norm: bfloat16 has eight bits
_PAIRS = 65_536  # of a token and an expert at a time on a GPU: bounds their copies to 1 GB

_log = logging.getLogger(__name__)


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
        return _in_parts(grouped_on_gpu, size, experts, hidden, ids, weights)
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
    if len(tensors[0]) <= size:
        return compute(experts, *tensors)
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
    # index_select takes a sixth of the time of hidden[tokens].
    inner = _products(hidden.index_select(0, tokens), gate_up, groups, sizes)
    inner = _gated(experts, inner) * flat[pairs].unsqueeze(1)
    outputs = _products(inner, down, groups, sizes)
    return torch.zeros_like(hidden).index_add_(0, tokens, outputs)


def grouped_on_gpu(experts: Any, hidden: Tensor, ids: Tensor, weights: Tensor) -> Tensor:
    """Compute in one product for each matrix, tokens sorted by expert; nothing is waited for."""
    k, device = ids.shape[1], ids.device
    # Of two bytes, which the sort needs two passes for; of eight it takes eight.
    chosen, order = ids.flatten().short().sort(stable=True)
    ends = torch.searchsorted(chosen, _numbers(len(experts.down_proj), device), right=True).int()
    inner = F.grouped_mm(hidden[order // k], experts.gate_up_proj.transpose(1, 2), offs=ends)
    kernels = isinstance(experts.act_fn, nn.SiLU) and without_kernels(device) is None
    between = _kernels() if kernels else _operations(experts)
    weighted, places = between.gated(inner, order, weights.flatten())
    outputs = F.grouped_mm(weighted, experts.down_proj.transpose(1, 2), offs=ends)
    return between.summed(outputs, places, k)


@lru_cache
def _numbers(count: int, device: torch.device) -> Tensor:
    return torch.arange(count, dtype=torch.int16, device=device)


class Between(NamedTuple):
    """What stands between the products of `grouped_on_gpu`; see `kernels/gpu/prompt_experts.py`."""

    gated: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
    summed: Callable[[Tensor, Tensor, int], Tensor]


def _operations(experts: Any) -> Between:
    """Return it as operations of torch."""

    def gated(inner: Tensor, order: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        places = torch.empty_like(order)
        places[order] = torch.arange(len(order), device=order.device)
        return _gated(experts, inner) * weights[order].unsqueeze(1), places

    def summed(outputs: Tensor, places: Tensor, k: int) -> Tensor:
        return outputs[places].view(-1, k, outputs.shape[1]).sum(1)

    return Between(gated, summed)


def _kernels() -> Between:
    from olmoe_viz.engine.kernels.gpu import prompt_experts

    return Between(prompt_experts.gated, prompt_experts.summed)


@lru_cache
def without_kernels(device: torch.device) -> str | None:
    """Say why a GPU reads prompts by torch's operations; None where our kernels pass their test."""
    try:
        failing = _differing(device)
    except Exception as error:  # noqa: BLE001 - whatever a compiler raises, the operations run
        _log.exception("The kernels for prompts cannot be used.")
        return str(error).partition("\n")[0][:200] or type(error).__name__
    return f"a kernel failed its test ({failing})" if failing else None


def _differing(device: torch.device) -> str | None:
    """Return which kernel differs from torch's operations on random numbers."""
    random = torch.Generator(device).manual_seed(0)
    silu = SimpleNamespace(act_fn=F.silu)
    ours, theirs = _kernels(), _operations(silu)
    pairs, k = 3 * 100, 3
    inner = torch.randn(pairs, 2 * 96, generator=random, device=device).bfloat16()
    order = torch.randperm(pairs, generator=random, device=device)
    weights = torch.rand(pairs, generator=random, device=device).bfloat16()
    made, wanted = ours.gated(inner, order, weights), theirs.gated(inner, order, weights)
    if not (_alike(made[0], wanted[0]) and bool((made[1] == wanted[1]).all())):
        return "gated"
    sums = ours.summed(made[0], made[1], k), theirs.summed(made[0], made[1].long(), k)
    return None if _alike(*sums) else "summed"


def _alike(ours: Tensor, theirs: Tensor) -> bool:
    difference = (ours.float() - theirs.float()).norm()
    return bool(difference <= _TOLERANCE * theirs.float().norm())


def _products(inputs: Tensor, matrices: Tensor, groups: list[int], sizes: list[int]) -> Tensor:
    """Multiply runs of rows, `sizes` long, by the matrices of their experts, `groups`."""
    runs = zip(groups, torch.split(inputs, sizes), strict=True)
    products = [torch.mm(run, matrices[expert].t()) for expert, run in runs]
    # With every expert off there is no run at all.
    return torch.cat(products) if products else inputs.new_empty(0, matrices.shape[1])


def _gated(experts: Any, inner: Tensor) -> Tensor:
    """Return silu(gate) * up from [..., 2 * intermediate], gate first."""
    gate, up = inner.chunk(2, dim=-1)
    activated: Tensor = experts.act_fn(gate)
    return activated * up
