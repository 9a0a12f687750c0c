"""Which decoder writes: a model's GPU kernels where they can, else the plain one."""

import logging
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import torch

from olmoe_viz.engine import compiling
from olmoe_viz.engine.decoder import Decoder, PlainDecoder
from olmoe_viz.engine.runner import runner_of
from olmoe_viz.engine.sampling import Sampling
from olmoe_viz.models.model import Model
from olmoe_viz.policy import RoutingPolicy

if TYPE_CHECKING:
    from olmoe_viz.engine.gpu_decoder import GpuKernels

_log = logging.getLogger(__name__)
_making = threading.Lock()
# The kernels of a model, or why it has none.
_made: "WeakKeyDictionary[Model, GpuKernels | str]" = WeakKeyDictionary()


def decoder_of(
    model: Model, policies: Sequence[RoutingPolicy], sampling: Sampling, prompt: int, limit: int
) -> Decoder:
    """Return what writes up to `limit` tokens after `prompt` tokens, one row for each policy."""
    steered = any(policy.interventions for policy in policies)
    if model.device.type != "cuda":
        return _on_cpu(model, policies, sampling, prompt, limit, steered=steered)
    if steered:
        return PlainDecoder(model, policies, sampling, prompt, limit, without="interventions")
    kernels = kernels_of(model)
    if isinstance(kernels, str):
        return PlainDecoder(model, policies, sampling, prompt, limit, without=kernels)
    if not kernels.claim(len(policies), prompt + limit):
        full = "they are at work, or this is too much for their cache"
        return PlainDecoder(model, policies, sampling, prompt, limit, without=full)
    from olmoe_viz.engine.gpu_decoder import GpuDecoder

    return GpuDecoder(kernels, policies, sampling, prompt, limit)


def _on_cpu(
    model: Model,
    policies: Sequence[RoutingPolicy],
    sampling: Sampling,
    prompt: int,
    limit: int,
    *,
    steered: bool,
) -> Decoder:
    """Return the compiled decoder once it is ready; until then nobody waits for it."""
    if not steered and (made := compiling.ready(model)) is not None:
        from olmoe_viz.engine.cpu_decoder import CpuDecoder

        return CpuDecoder(made, model, policies, sampling, prompt, limit)
    return PlainDecoder(model, policies, sampling, prompt, limit)


def prepared(model: Model) -> bool:
    """Whether a model can decode at once: nothing has to be compiled and tested first."""
    return model.device.type != "cuda" or model in _made


def kernels_of(model: Model) -> "GpuKernels | str":
    """Return the GPU kernels of a model, made when first asked for, or why it has none."""
    with _making:
        if model not in _made:
            _made[model] = _unfit(model) or _make(model)
        return _made[model]


def _make(model: Model) -> "GpuKernels | str":
    assert model.parts is not None  # noqa: S101 - `_unfit` has looked
    try:
        from olmoe_viz.engine.gpu_decoder import GpuKernels

        return GpuKernels(model, model.parts)
    except Exception as error:  # noqa: BLE001 - whatever a compiler raises, the plain path runs
        _log.exception("The GPU kernels cannot be used.")
        return str(error).partition("\n")[0][:200] or type(error).__name__


def _unfit(model: Model) -> str | None:
    """Say why a model on a GPU cannot use the kernels; None if it can."""
    parts, geometry = model.parts, model.geometry
    if parts is None or "steer" not in model.capabilities:
        return "not a family that they know"
    if runner_of(model).name != "olmoe" or hasattr(parts.norm, "_hf_hook"):
        return "the model is spread over several devices"
    if model.dtype != torch.bfloat16:
        return "its weights are not bfloat16"
    block = parts.blocks[0]
    if block.kv_heads != block.heads or block.limit is not None:
        return "its attention has other options"
    sizes = (geometry.hidden, block.head_dim, geometry.experts, geometry.intermediate)
    if any(size & (size - 1) for size in sizes) or geometry.vocab % 4:
        return "its sizes are not powers of two"
    return None
