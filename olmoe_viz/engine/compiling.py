"""The compiled kernels of each model on a CPU, made in the background.

Until they are ready, and where they cannot be had, the plain pass runs. Branches are compiled apart
from the decoding step: who takes no experts away does not wait for them.
"""

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, WeakSet

import torch

from olmoe_viz.engine.kernels.cpu import LANES
from olmoe_viz.engine.runner import runner_of
from olmoe_viz.models.model import Model

if TYPE_CHECKING:
    from olmoe_viz.engine.cpu_decoder import CpuKernels

COMPILED = "olmoe, compiled by numba"  # what computes, for the provenance
_log = logging.getLogger(__name__)
# Joined when the process ends, which LLVM would not survive in the middle of its work.
_compiler = ThreadPoolExecutor(1, thread_name_prefix="compiler")
Made = WeakKeyDictionary[Model, "Future[CpuKernels | None]"]
_made, _made_to_branch = Made(), Made()
_asked_once, _asked_to_branch_once = WeakSet[Model](), WeakSet[Model]()


def compiled(model: Model) -> "Future[CpuKernels | None]":
    """Return the compiled step of a model, begun by the first call; None where there is none.

    Takes some seconds of one core the first time on a machine, and half a second later.
    """
    found = _made.get(model)
    if found is None:
        found = _made.setdefault(model, _compiler.submit(_make, model))
    return found


def compiled_to_branch(model: Model) -> "Future[CpuKernels | None]":
    """Return the same once branches are compiled too."""
    found = _made_to_branch.get(model)
    if found is None:
        step = compiled(model)  # which is through before: there is one compiler
        making = _compiler.submit(_make_to_branch, model, step)
        found = _made_to_branch.setdefault(model, making)
    return found


def ready(model: Model) -> "CpuKernels | None":
    """Return the compiled step of a model if it is there; the second call begins to make it.

    A program that writes one text is through before the step would be, and would have to wait for
    it at its end.
    """
    return _if_done(model, compiled, _made, _asked_once)


def ready_to_branch(model: Model) -> "CpuKernels | None":
    """Return the same if branches are compiled too; the second call begins with it."""
    return _if_done(model, compiled_to_branch, _made_to_branch, _asked_to_branch_once)


def _if_done(
    model: Model,
    compile_it: "Callable[[Model], Future[CpuKernels | None]]",
    made: Made,
    asked_once: WeakSet[Model],
) -> "CpuKernels | None":
    if not fits(model):
        return None
    if model not in made and model not in asked_once:
        asked_once.add(model)
        return None
    making = compile_it(model)
    return making.result() if making.done() else None


def wait_for_compiled(model: Model) -> None:
    """Return once the step of a model is compiled, where there can be one."""
    if fits(model):
        compiled(model).result()


def wait_for_compiled_to_branch(model: Model) -> None:
    """Return once branches are compiled too, where they can be."""
    if fits(model):
        compiled_to_branch(model).result()


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


def _make_to_branch(model: Model, step: "Future[CpuKernels | None]") -> "CpuKernels | None":
    try:
        if (kernels := step.result()) is not None:
            from olmoe_viz.engine import compiled_branches

            compiled_branches.check(model, kernels)
    except Exception:  # noqa: BLE001 - as above
        _log.exception("The pass of branches is not compiled.")
        return None
    else:
        return kernels
