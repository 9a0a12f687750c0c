"""What a training run is, in one frozen record, and the two runs there are: nano and smoke."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from training.corpus import STREAMS


@dataclass(frozen=True)
class Stage:
    """From `start` (share of all steps) on, batches of `batch` windows of `sequence` tokens."""

    start: float
    sequence: int
    batch: int


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights, apart from the data and the hardware."""

    steps: int
    stages: tuple[Stage, ...]
    config: dict[str, Any] = field(default_factory=dict)
    router_std: float = 0.035
    muon_lr: float = 1e-2
    adam_lr: float = 3e-3
    router_factor: float = 0.04
    weight_decay: float = 0.1
    balance_weight: float = 0.02
    z_weight: float = 0.001
    warmup: float = 0.01
    decay: float = 0.4
    seed: int = 0
    size_exponent: float = 0.75
    simple_stories: float = 1.5
    checkpoints: tuple[float, ...] = (0.01, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0)

    def learning_rate(self, step: int) -> float:
        """Factor on every learning rate: linear warm-up, a plateau, linear decay to zero."""
        done = step / self.steps
        return min(1.0, (step + 1) / (self.warmup * self.steps + 1), (1 - done) / self.decay)

    def stage(self, step: int) -> Stage:
        """The stage that a step belongs to."""
        return [stage for stage in self.stages if step >= round(stage.start * self.steps)][-1]

    def checkpoint_steps(self) -> dict[int, float]:
        """Finished steps -> share of training, for the router checkpoints."""
        return {max(1, round(share * self.steps)): share for share in self.checkpoints}

    def stream_weights(self, sizes: list[int]) -> list[float]:
        """How often each stream is drawn: size to a power below 1, so small domains count more."""
        weights = [size**self.size_exponent for size in sizes]
        weights[STREAMS.index("simple_stories")] *= self.simple_stories
        return [weight / sum(weights) for weight in weights]


NANO = Recipe(steps=13_000, stages=(Stage(0.0, 512, 128), Stage(0.75, 1024, 64)))
SMOKE = Recipe(
    steps=30,
    stages=(Stage(0.0, 32, 8), Stage(0.8, 64, 4)),
    config={
        "vocab_size": 512,
        "max_position_embeddings": 64,
        "hidden_size": 32,
        "intermediate_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "num_experts": 8,
        "num_experts_per_tok": 2,
    },
    checkpoints=(0.5, 1.0),
)
RECIPES = {"nano": NANO, "smoke": SMOKE}
