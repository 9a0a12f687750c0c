"""Transformers' own forward pass on the weights of a model, at any k, to compare ours with.

It runs on a private copy of the modules that shares the weights, so that neither the model nor
whoever else uses it sees anything of it.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from olmoe_viz.models.model import Model
from olmoe_viz.records.record import Float32s


@dataclass(frozen=True, eq=False)
class StockRun:
    """Logits [tokens, vocab] and router logits [layers, tokens, experts], both float32."""

    logits: Float32s
    router_logits: Float32s


def can_run(model: Model) -> bool:
    """Whether all weights lie on one device: what accelerate moves about is not copied here."""
    return not any(hasattr(module, "_hf_hook") for module in model.module.modules())


@torch.inference_mode()
def run(model: Model, ids: Sequence[int], k: int, *, float32: bool = False) -> StockRun:
    """Run token ids with k experts in every layer, in the model's dtype or in float32.

    In float32 the weights of one module at a time are converted, those of all experts of a layer at
    most. Takes 4 * vocab bytes a token besides.
    """
    twin: Any = _private(model.module)
    twin.set_experts_implementation("eager")
    recorded: list[Tensor] = []
    for site in model.family.sites(twin):
        vars(site.router)["top_k"] = k  # of the copy alone: the model's own is never written
        site.router.register_forward_hook(lambda _, __, output: recorded.append(output[0]))
    if float32 and model.dtype != torch.float32:
        _widen(twin)
    tokens = torch.tensor([list(ids)], device=model.device)
    logits = twin(tokens, use_cache=False).logits[0]
    return StockRun(_array(logits), np.stack([_array(each) for each in recorded]))


def _array(values: Tensor) -> Float32s:
    found: Float32s = values.float().cpu().numpy()
    return found


def _private(module: nn.Module) -> nn.Module:
    """Return a copy of all modules, without hooks, around the same parameters and buffers."""
    shared = {id(tensor): tensor for tensor in (*module.parameters(), *module.buffers())}
    twin = copy.deepcopy(module, memo=dict[int, Any](shared))
    for part in twin.modules():
        part._forward_hooks.clear()
        part._forward_pre_hooks.clear()
    return twin


def _widen(twin: nn.Module) -> None:
    """Let every module of a private copy compute with its weights in float32."""
    for part in twin.modules():
        own = dict(part.named_parameters(recurse=False))
        if own:
            part.register_forward_pre_hook(partial(_to_float32, own))
            part.register_forward_hook(partial(_give_back, own))


def _to_float32(own: dict[str, nn.Parameter], part: nn.Module, _: Any) -> None:
    for name, weight in own.items():
        setattr(part, name, nn.Parameter(weight.float(), requires_grad=False))


def _give_back(own: dict[str, nn.Parameter], part: nn.Module, _: Any, __: Any) -> None:
    for name, weight in own.items():
        setattr(part, name, weight)
