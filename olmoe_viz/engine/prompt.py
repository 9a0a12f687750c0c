"""Texts are read in parts, so that a stop waits for one part at most."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from olmoe_viz.engine.plan import Plan
from olmoe_viz.engine.runner import runner_of
from olmoe_viz.engine.taps import Arrays, Taps, Wish
from olmoe_viz.engine.threads import threads
from olmoe_viz.models.model import Model

# Called before each part with the tokens done and their number; may raise to end the work.
OnProgress = Callable[[int, int], None]

PART = 256  # tokens of all rows in one pass on a CPU, which takes about a second at most
DEVICE_PART = 8192  # on a GPU, which is through in a tenth of that


def part_of(model: Model, rows: int) -> int:
    """Return how many tokens of each row one pass reads."""
    return max(budget_of(model) // rows, 1)


def budget_of(model: Model) -> int:
    """Return how many tokens of all rows one pass reads."""
    return PART if model.device.type == "cpu" else DEVICE_PART


def read(
    model: Model,
    state: Any,
    ids: Sequence[int],
    plan: Plan,
    on_progress: OnProgress,
    *wishes: Wish,
) -> Iterator[tuple[Tensor, Arrays]]:
    """Run the same text in every row of a plan from the start of the state; yield each part.

    A part is the residual stream after the last block, [rows, tokens, hidden], and what was
    recorded of it, rows first.
    """
    runner, rows = runner_of(model), len(plan.policies)
    size = part_of(model, rows)
    for start in range(0, len(ids), size):
        on_progress(start, len(ids))
        part, taps = list(ids[start : start + size]), Taps(rows, *wishes)
        with threads(model, rows * len(part)):
            hidden = runner.step(state, [part] * rows, range(rows), [start] * rows, plan, taps)
        yield hidden, taps.arrays()


def joined(parts: Sequence[Arrays]) -> Arrays:
    """Return what was recorded of all parts, tokens on axis 2: [rows, layers, tokens, ...]."""
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts], axis=2) for name in parts[0]}
