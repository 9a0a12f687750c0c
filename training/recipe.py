"""What a training run is, in one frozen record, and the two runs there are: nano and smoke."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from training.corpus import STREAMS


@dataclass(frozen=True)
class Stage:
    """From `start` (share of the phase's steps) on, batches of `batch` windows of `sequence`."""

    start: float
    sequence: int
    batch: int


@dataclass(frozen=True)
class Phase:
    """Consecutive steps that begin with fresh optimizers.

    `rate` is a factor on the recipe's learning rates; the routers have AdamW's, times `router_rate`
    alone. `warmup` and `decay` are shares of the steps.
    """

    steps: int
    stages: tuple[Stage, ...]
    rate: float = 1.0
    router_rate: float = 0.04
    warmup: float = 0.01
    decay: float = 0.4
    balance_weight: float = 0.02
    z_weight: float = 0.001

    def learning_rate(self, step: int) -> float:
        """Factor on every learning rate: linear warm-up, a plateau, linear decay to zero."""
        warm = (step + 1) / (self.warmup * self.steps + 1)
        cool = (1 - step / self.steps) / self.decay
        return min(1.0, warm, cool)

    def stage(self, step: int) -> Stage:
        """The stage that a step of this phase belongs to."""
        return [stage for stage in self.stages if step >= round(stage.start * self.steps)][-1]


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights, apart from the data and the hardware."""

    phases: tuple[Phase, ...]
    checkpoints: tuple[int, ...]
    config: dict[str, Any] = field(default_factory=dict)
    router_std: float = 0.035
    muon_lr: float = 1e-2
    adam_lr: float = 3e-3
    weight_decay: float = 0.1
    seed: int = 0
    size_exponent: float = 0.75
    simple_stories: float = 1.5

    @property
    def steps(self) -> int:
        """Steps of all phases."""
        return sum(phase.steps for phase in self.phases)

    def phase(self, step: int) -> tuple[Phase, int]:
        """The phase that a step belongs to, and the step counted from that phase's first."""
        for phase in self.phases:
            if step < phase.steps:
                return phase, step
            step -= phase.steps
        raise ValueError(f"The recipe ends {step + 1} steps earlier.")

    def stream_weights(self, sizes: list[int]) -> list[float]:
        """How often each stream is drawn: size to a power below 1, so small domains count more."""
        weights = [size**self.size_exponent for size in sizes]
        weights[STREAMS.index("simple_stories")] *= self.simple_stories
        return [weight / sum(weights) for weight in weights]


NANO = Recipe(
    phases=(
        Phase(13_000, (Stage(0.0, 512, 128), Stage(0.75, 1024, 64))),
        # Fast routers while all else hardly moves: the first layers' become sharper.
        Phase(
            1_200,
            (Stage(0.0, 1024, 64),),
            rate=0.05,
            router_rate=3.3,
            decay=1.0,
            balance_weight=0.5,
        ),
    ),
    checkpoints=(130, 650, 1_300, 2_600, 5_200, 9_100, 13_000, 13_600, 14_200),
)
SMOKE = Recipe(
    phases=(
        Phase(20, (Stage(0.0, 32, 8), Stage(0.8, 64, 4))),
        Phase(10, (Stage(0.0, 64, 4),), rate=0.5, router_rate=0.5, decay=1.0),
    ),
    checkpoints=(15, 30),
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
)
RECIPES = {"nano": NANO, "smoke": SMOKE}
