"""The compiled decoding step of each model on a CPU, made in the background.

Until it is ready, and where it cannot be had, the plain pass runs.
"""

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, WeakSet

import torch

from olmoe_viz.engine.kernels.cpu import LANES
from olmoe_viz.engine.runner import runner_of
from olmoe_viz.models.model import Model

if TYPE_CHECKING:
    from olmoe_viz.engine.cpu_decoder import CpuKernels

_log = logging.getLogger(__name__)
# Joined when the process ends, which LLVM would not survive in the middle of its work.
_compiler = ThreadPoolExecutor(1, thread_name_prefix="compiler")
_asked_once: "WeakSet[Model]" = WeakSet()
_made: "WeakKeyDictionary[Model, Future[CpuKernels | None]]" = WeakKeyDictionary()


def compiled(model: Model) -> "Future[CpuKernels | None]":
    """Return the compiled step of a model, begun by the first call; None where there is none.

    Takes some seconds of one core the first time on a machine, and half a second later.
    """
    found = _made.get(model)
    if found is None:
        found = _made.setdefault(model, _compiler.submit(_make, model))
    return found


def ready(model: Model) -> "CpuKernels | None":
    """Return the compiled step of a model if it is there; the second call begins to make it.

    A program that writes one text is through before the step would be, and would have to wait for
    it at its end.
    """
    if not fits(model):
        return None
    if model not in _made and model not in _asked_once:
        _asked_once.add(model)
        return None
    making = compiled(model)
    return making.result() if making.done() else None


def wait_for_compiled(model: Model) -> None:
    """Return once the step of a model is compiled, where there can be one."""
    if fits(model):
        compiled(model).result()


def fits(model: Model) -> bool:
    """Whether a model is one that the compiled step can be made for."""
    parts, geometry = model.parts, model.geometry
    if parts is None or runner_of(model).name != "olmoe" or model.device.type != "cpu":
        return False
    sizes = (geometry.hidden, geometry.intermediate, parts.blocks[0].head_dim)
    return model.dtype == torch.float32 and not any(size % LANES for size in sizes)


def _make(model: Model) -> "CpuKernels | None":
    assert model.parts is not None  # noqa: S101 - `fits` has looked
    try:
        from olmoe_viz.engine.cpu_decoder import CpuKernels

        return CpuKernels(model, model.parts)
    except Exception:  # noqa: BLE001 - whatever a compiler raises, the plain pass runs
        _log.exception("The decoding step is not compiled.")
        return None
