"""Which decoder runs a group: a model's compiled step where it has one, else its pass."""

import logging
import threading
from collections.abc import Sequence as Ordered
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakKeyDictionary

import torch

from olmoe_viz.engine import compiling
from olmoe_viz.engine.decoder import Decoder, GroupDecoder, PlainDecoder
from olmoe_viz.engine.runner import runner_of
from olmoe_viz.models.model import Model

if TYPE_CHECKING:
    from olmoe_viz.engine.gpu_decoder import GpuDecoder, GpuKernels

AnyDecoder = TypeVar("AnyDecoder", bound=Decoder)

_log = logging.getLogger(__name__)
_making = threading.Lock()
# The kernels of a model, or why it has none.
_made: "WeakKeyDictionary[Model, GpuKernels | str]" = WeakKeyDictionary()


def decoder_for(
    model: Model,
    at_work: Ordered[Decoder],
    rows: int,
    need: int,
    entries: int,
) -> Decoder:
    """Return what runs so many rows, together `need` entries: one at work, or a new one.

    A new one takes `entries` tokens of all its rows.
    """
    if not runner_of(model).rows_join:
        return GroupDecoder(model, need)
    if model.device.type != "cuda":
        return _on_cpu(model, at_work, entries)
    why = _claimed(model, at_work, rows, need)
    return why if not isinstance(why, str) else _plain(model, at_work, entries, why)


def _on_cpu(model: Model, at_work: Ordered[Decoder], entries: int) -> Decoder:
    """Return the compiled decoder once it is ready; until then nobody waits for it."""
    if (made := compiling.ready(model)) is not None:
        from olmoe_viz.engine.cpu_decoder import CpuDecoder

        return _found(CpuDecoder, at_work) or CpuDecoder(made, model, entries)
    return _plain(model, at_work, entries)


def _claimed(model: Model, at_work: Ordered[Decoder], rows: int, need: int) -> "GpuDecoder | str":
    """Return the decoder that has the GPU kernels, or why there is none for these rows."""
    kernels = kernels_of(model)
    if isinstance(kernels, str):
        return kernels
    from olmoe_viz.engine.gpu_decoder import GpuDecoder

    if kernels.fits(rows, need):
        if (found := _found(GpuDecoder, at_work)) is not None:
            return found
        if kernels.claim():
            return GpuDecoder(kernels, model)
    return "they are at work, or this is too much for their cache"


def _plain(
    model: Model, at_work: Ordered[Decoder], entries: int, without: str | None = None
) -> Decoder:
    found = _found(PlainDecoder, at_work)
    return found or PlainDecoder(model, entries, without)


def _found(kind: type[AnyDecoder], at_work: Ordered[Decoder]) -> AnyDecoder | None:
    return next((each for each in at_work if type(each) is kind), None)


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
