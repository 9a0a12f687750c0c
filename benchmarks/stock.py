"""The peer: stock transformers, at its default and at its best."""

import time
from collections.abc import Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from transformers.generation.streamers import BaseStreamer

from benchmarks.machine import Run, in_turn, timed, wait
from benchmarks.random_model import private_copy
from olmoe_viz.models.model import Model

IMPLEMENTATIONS = ("eager", "batched_mm", "grouped_mm")
_TRIED_ON = 8  # tokens with which the ways that are not among the fastest are told


class Clock(BaseStreamer):
    """Notes when each token has arrived on the host; `generate` puts the prompt in first."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def put(self, value: Any) -> None:  # noqa: ARG002 - what arrived does not matter
        """Take a step's tokens."""
        self.times.append(time.perf_counter())

    def end(self) -> None:
        """Take the end."""


class Stock:
    """Transformers' own model with `generate`, on a private copy that shares the weights.

    A way to run it is (experts implementation, threads), with None for what it has by itself.
    """

    def __init__(self, model: Model) -> None:
        self.module: Any = private_copy(model.module)
        self.device = model.device
        self._default = self.module.config._experts_implementation

    @contextmanager
    def way(self, k: int, implementation: str | None = None, threads: int | None = None) -> Any:
        """Run a block with `k` experts a token, in one way."""
        for block in self.module.model.layers:
            block.mlp.gate.top_k = k
        self.module.set_experts_implementation(implementation or self._default)
        before = torch.get_num_threads()
        torch.set_num_threads(threads or before)
        try:
            yield
        finally:
            torch.set_num_threads(before)

    def generate(
        self,
        prompt: Sequence[int],
        k: int,
        tokens: int,
        way: tuple[str | None, int | None] = (None, None),
        rows: int = 1,
        *,
        static: bool = False,
    ) -> Run:
        """Continue a prompt greedily by `tokens` tokens; `static`: its cache, and compiled."""
        clock = Clock()
        options: dict[str, Any] = {"cache_implementation": "static"} if static else {}
        with self.way(k, *way):
            wait(self.device)
            began = time.perf_counter()
            ids = torch.tensor([list(prompt)] * rows, device=self.device)
            written = self.module.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=tokens,
                do_sample=False,
                streamer=clock,
                **options,
            )
            wait(self.device)
            total = time.perf_counter() - began
        if written.shape[1] != len(prompt) + tokens:
            raise RuntimeError("generate has written fewer tokens than it was asked for.")
        times = clock.times[1:]
        return Run(total, times[0] - began, times[-1] - times[0], rows * tokens, rows)

    @torch.inference_mode()
    def forward(self, ids: Sequence[int], k: int, kept: int) -> Run:
        """Read a text once with router logits; logits of the last `kept` tokens, 0 for all."""
        given = torch.tensor([list(ids)], device=self.device)
        read = partial(self.module, given, output_router_logits=True, logits_to_keep=kept)
        with self.way(k):
            return Run(timed(read, self.device))


def fastest_ways(
    stock: Stock, prompt: Sequence[int], k: int, tokens: int, count: int = 2
) -> list[tuple[str | None, int | None]]:
    """Return the ways to be timed: the default on a GPU, and on a CPU the fastest of all.

    On a CPU each implementation is tried with one thread and with all. Those tried here are
    short runs, so the `count` best of them take part in the rounds.
    """
    if stock.device.type == "cuda":
        return [(None, None)]
    ways = [(name, n) for name in IMPLEMENTATIONS for n in sorted({1, torch.get_num_threads()})]
    short = min(_TRIED_ON, tokens)
    runs = {str(way): partial(stock.generate, prompt, k, short, way) for way in ways}
    done = in_turn(runs, 2)
    return sorted(ways, key=lambda way: min(run.total for run in done[str(way)]))[:count]
