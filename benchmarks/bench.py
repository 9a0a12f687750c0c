"""What every section of a benchmark is given: the models, the settings and the bandwidths."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import numpy as np
import torch

import olmoe_viz as ov
from benchmarks import machine
from benchmarks.random_model import endless, geometry_of, random_model
from benchmarks.stock import Stock
from olmoe_viz.engine.compiling import wait_for_compiled
from olmoe_viz.models.model import Model
from olmoe_viz.numerics import costs

STORY = "Once upon a time there was a little robot who lived in a garden and looked for a friend. "


@dataclass(frozen=True)
class Settings:
    """What is asked for, as it goes into the JSON file."""

    tokens: int = 80
    rounds: int = 5
    prompt: int = 16
    ks: Sequence[int] = (1, 2, 4, 8, 16, 32, 64)
    mixed: Sequence[int] = (8, 16, 32, 64)
    rows: Sequence[int] = (1, 2, 4, 8, 16, 32)
    contexts: Sequence[int] = (16, 256, 1024, 4096)
    prefill: int = 4000
    compiled_ks: Sequence[int] = (8, 16, 32, 64)
    compiled: Sequence[str] = ("batched_mm", "grouped_mm")


def load(name: str, layers: int | None, device: torch.device, dtype: str | None) -> Model:
    """Return the model of that name or folder, or one with random weights in a known geometry."""
    if name.startswith("random:"):
        small = device.type == "cpu"
        wished = getattr(torch, dtype or ("float32" if small else "bfloat16"))
        geometry = geometry_of(name.removeprefix("random:"), layers)
        return random_model(geometry, device, wished)
    return endless(ov.load_model(name, device=device, dtype=dtype))


def prompt_of(model: Model, tokens: int) -> list[int]:
    """Return a prompt of so many tokens: a story, or random ids for random weights.

    A random model would send the few words of a story to few experts.
    """
    if model.digest.startswith("random"):
        draw = np.random.default_rng(0)
        return [int(token) for token in draw.integers(2, len(model.tokenizer), tokens)]
    return list(model.tokenizer.backend_tokenizer.encode(STORY * (tokens // 8 + 1)).ids[:tokens])


@dataclass
class Bench:
    """A model, its stock peer on the same weights, and what the machine can do."""

    model: Model
    settings: Settings
    stock: Stock = field(init=False)
    copy: float = field(init=False)
    to_host: float | None = field(init=False)
    runner: str = field(init=False)  # what writes, by its provenance

    def __post_init__(self) -> None:
        self.copy = median(self.copy_now() for _ in range(5))
        self.to_host = machine.to_host_bandwidth(self.model.device)
        self.stock = Stock(self.model)
        wait_for_compiled(self.model)
        trained = ov.RoutingPolicy(self.model.geometry.trained_k)
        (written,) = ov.compare(self.model, self.prompt(1), [trained], 1)
        self.runner = written.provenance.runner

    def prompt(self, tokens: int) -> list[int]:
        """Return a prompt of so many tokens; see `prompt_of`."""
        return prompt_of(self.model, tokens)

    def bytes_of(self, experts: float, context: float = 0) -> float:
        """Return the bytes read for one step: the weights in use, and a cache of that length."""
        sizes, width = self.model.geometry, self.model.dtype.itemsize
        cache = 2 * sizes.layers * sizes.kv_heads * sizes.head_dim * width * context
        return costs.bytes_per_token(sizes, experts, width) + cache

    def copy_now(self) -> float:
        """Measure the copy bandwidth, as one of those that take turns."""
        return machine.copy_bandwidth(self.model.device)

    def limit(self, copies: Sequence[float], experts: float, context: float = 0) -> float:
        """Return the most steps per second that the median of some copy bandwidths allows."""
        return median(copies) / self.bytes_of(experts, context)

    def facts(self) -> dict[str, Any]:
        """Return the head of the JSON file."""
        model = self.model
        return {
            "machine": machine.describe(model.device),
            "model": {
                "name": model.name,
                "layers": model.geometry.layers,
                "dtype": str(model.dtype).removeprefix("torch."),
                "parameters": costs.total_parameters(model.geometry),
                "trained_k": model.geometry.trained_k,
                "runner": self.runner,
            },
            "settings": vars(self.settings),
            "bandwidth": {"copy": self.copy, "to_host": self.to_host},
        }
