"""How fast one policy writes alone, and how fast the memory could be at most."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch

from olmoe_viz.engine import threads
from olmoe_viz.engine.decoding import DecodingError, stream
from olmoe_viz.engine.inputs import InputError
from olmoe_viz.models.load import Model
from olmoe_viz.policy import RoutingPolicy

_WARM_UP = 2  # tokens
_COPIED = 64 * 2**20
_COPIES = 9


@dataclass(frozen=True)
class Bandwidth:
    """`bytes_per_second` read and written, by the fastest of `copies` copies of `copied` bytes.

    `threads` copied together on the CPU; None for another device.
    """

    bytes_per_second: float
    copied: int
    copies: int
    device: str
    threads: int | None


def copy_bandwidth(device: str, copied: int = _COPIED, copies: int = _COPIES) -> Bandwidth:
    """Copy an array within the memory of a device, several times after one copy not counted.

    On the CPU with all threads, since what the memory can do is asked; decoding a small model
    computes with one, which alone may reach less (see `engine.threads`). Takes twice `copied`
    bytes of memory.
    """
    on_cpu = torch.device(device).type == "cpu"
    if on_cpu:
        torch.set_num_threads(threads.ALL)
    source = torch.ones(copied, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    _copy_seconds(source, target)
    seconds = min(_copy_seconds(source, target) for _ in range(copies))
    return Bandwidth(2 * copied / seconds, copied, copies, device, threads.ALL if on_cpu else None)


def decode_seconds(
    model: Model, prompt: str | Iterable[int], policy: RoutingPolicy, tokens: int, runs: int = 3
) -> Iterator[float]:
    """Write a greedy text alone `runs` times and yield the seconds per token of each.

    A short run before them is not counted, nor is reading the prompt. Every step's result comes
    back to the CPU, so that a device has finished when the clock is read. Raises InputError as
    `stream`, DecodingError when decoding breaks off.
    """
    if runs < 1 or tokens < 1:
        raise InputError("There must be at least 1 run of 1 token.")
    ids = prompt if isinstance(prompt, str) else list(prompt)
    _run(model, ids, policy, min(_WARM_UP, tokens))
    for _ in range(runs):
        yield _run(model, ids, policy, tokens)


def _run(model: Model, prompt: str | list[int], policy: RoutingPolicy, tokens: int) -> float:
    decoding = stream(model, prompt, [policy], tokens)
    for _ in decoding:
        pass
    if decoding.error is not None:
        raise DecodingError(decoding.error, decoding.generations())
    written = len(decoding.generations()[0].token_ids)
    return decoding.seconds / written


def _copy_seconds(source: torch.Tensor, target: torch.Tensor) -> float:
    _wait(source.device)
    start = time.perf_counter()
    target.copy_(source)
    _wait(source.device)
    return time.perf_counter() - start


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
