"""Where numbers that were computed here, just now, are from."""

from datetime import UTC, datetime

import tokenizers
import torch
import transformers

from olmoe_viz.engine.experts import without_kernels
from olmoe_viz.engine.runner import runner_of
from olmoe_viz.models.model import Model
from olmoe_viz.records.provenance import Provenance


def provenance(model: Model, seconds: float, runner: str | None = None) -> Provenance:
    """Return where numbers computed just now, in so many seconds, are from.

    `runner` is what computed them, where that was not the model's pass.
    """
    libraries = (torch, transformers, tokenizers)
    return Provenance(
        model=model.name,
        revision=model.revision,
        digest=model.digest,
        dtype=str(model.dtype).removeprefix("torch."),
        device=_device_name(model.device),
        runner=runner or _pass_of(model),
        versions={library.__name__: library.__version__ for library in libraries},
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=seconds,
    )


def _pass_of(model: Model) -> str:
    """Return what the model's pass is called, and what it does without."""
    name = runner_of(model).name
    kernels = name == "olmoe" and model.device.type == "cuda" and model.dtype == torch.bfloat16
    why = without_kernels(model.device) if kernels else None
    return name if why is None else f"{name}; prompts without Triton kernels: {why}"


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
