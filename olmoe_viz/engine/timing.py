"""How long one row takes alone, and how fast the memory could be at most."""

import time
from collections.abc import Callable

import numpy as np
import torch

from olmoe_viz.engine.compiling import wait_for_compiled
from olmoe_viz.engine.generating import Generating
from olmoe_viz.engine.inputs import check_policies, encode
from olmoe_viz.engine.prompt import OnProgress, read
from olmoe_viz.engine.provenance import provenance
from olmoe_viz.engine.runner import runner_of
from olmoe_viz.errors import GenerationError
from olmoe_viz.models.model import Model
from olmoe_viz.records.timing import Bandwidth, Timing
from olmoe_viz.requests import BandwidthRequest, GenerateRequest, TimeRequest

_WARM_UP = 2  # tokens
_COPIED = 64 * 2**20
_COPIES = 9


def measure(
    model: Model, request: TimeRequest, on_run: Callable[[float], None], on_progress: OnProgress
) -> Timing:
    """Run the request several times after one that is not counted; `on_run` is told each time.

    Waits first for a decoding step that is still being compiled, so that all runs use the same.
    Every step's result comes back to the host, so that a device has finished when the clock is
    read. Raises InputError for a request that does not fit the model, GenerationError when decoding
    breaks off.
    """
    began = time.perf_counter()
    once = _write if request.new_tokens else _read
    wait_for_compiled(model)
    _, runner = once(model, request, min(_WARM_UP, request.new_tokens), on_progress)
    seconds = []
    for _ in range(request.runs):
        seconds.append(once(model, request, request.new_tokens, on_progress)[0])
        on_run(seconds[-1])
    return Timing(
        request=request,
        provenance=provenance(model, time.perf_counter() - began, runner),
        seconds=np.array(seconds),
    )


def _write(
    model: Model, request: TimeRequest, tokens: int, on_progress: OnProgress
) -> tuple[float, str]:
    """Write a greedy text; return seconds per token, without reading the prompt, and what ran."""
    wanted = GenerateRequest(request.model, request.text, (request.policy,), tokens)
    with Generating(model, wanted) as generating:
        for step in generating:
            on_progress(step.index + 1, tokens)
        if generating.error is not None:
            raise GenerationError(generating.error, generating.generations())
        (written,) = generating.generations()
        return generating.seconds / len(written.token_ids), written.provenance.runner


@torch.inference_mode()
def _read(model: Model, request: TimeRequest, _: int, on_progress: OnProgress) -> tuple[float, str]:
    """Read the text once, to the logits after it; return the seconds and what ran."""
    check_policies(model, [request.policy])
    ids = encode(model, request.text)
    runner = runner_of(model)
    began = time.perf_counter()
    plan = runner.plan([request.policy])
    for hidden, _arrays in read(model, runner.open(1, len(ids)), ids, plan, on_progress):
        last = hidden[:, -1]
    runner.readout(last).cpu()
    return time.perf_counter() - began, runner.name


def copy_bandwidth(
    model: Model, request: BandwidthRequest, copied: int = _COPIED, copies: int = _COPIES
) -> Bandwidth:
    """Copy an array within the memory where the model is, several times after one not counted.

    On the CPU with all threads, since what the memory can do is asked; decoding a small model
    computes with one, which alone may reach less (see `engine.threads`). Takes twice `copied`
    bytes of memory.
    """
    began = time.perf_counter()
    device = model.device
    source = torch.ones(copied, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    _copy_seconds(source, target)
    seconds = min(_copy_seconds(source, target) for _ in range(copies))
    return Bandwidth(
        request=request,
        bytes_per_second=2 * copied / seconds,
        copied=copied,
        copies=copies,
        device=str(device),
        threads=torch.get_num_threads() if device.type == "cpu" else None,
        provenance=provenance(model, time.perf_counter() - began),
    )


def _copy_seconds(source: torch.Tensor, target: torch.Tensor) -> float:
    _wait(source.device)
    start = time.perf_counter()
    target.copy_(source)
    _wait(source.device)
    return time.perf_counter() - start


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
