"""The pass over tensors that are filled anew for each step, as a captured graph would be run."""

import copy
import dataclasses

import pytest
import torch

import olmoe_viz as ov
from olmoe_viz.engine.olmoe_runner import OlmoeRunner, Span
from olmoe_viz.engine.runner import runner_of
from olmoe_viz.engine.taps import Taps
from olmoe_viz.models.model import Model

POLICIES = [ov.RoutingPolicy(1), ov.RoutingPolicy(16, "gain_anchored"), ov.RoutingPolicy(8)]
PROMPTS = [[5, 9, 4, 7], [11, 3], [6, 8, 2]]
NEW = [[7, 3, 9], [4, 12, 5], [10, 6, 3]]


@torch.inference_mode()
def test_refilled_tensors_give_what_fresh_ones_give(model: Model) -> None:
    runner = runner_of(model)
    fresh, refilled = (runner.open(4, 12) for _ in range(2))
    slots = [3, 0, 2]
    for cache in (fresh, refilled):
        for prompt, slot, policy in zip(PROMPTS, slots, POLICIES, strict=True):
            runner.step(cache, [prompt], [slot], [0], runner.plan([policy]), Taps(1))
    starts = [len(prompt) for prompt in PROMPTS]
    plan = runner.plan(POLICIES)
    token_ids = torch.zeros(3, 1, dtype=torch.long)
    positions = torch.zeros(3, 1, dtype=torch.long)
    span = Span.anywhere(refilled, torch.tensor(slots), positions)
    for step in range(3):
        tokens = [[row[step]] for row in NEW]
        at = [start + step for start in starts]
        expected = runner.step(fresh, tokens, slots, at, plan, Taps(3))
        token_ids.copy_(torch.tensor(tokens))
        positions.copy_(torch.tensor(at).unsqueeze(1))
        hidden = runner.run(refilled, token_ids, span, plan, Taps(3))
        torch.testing.assert_close(runner.readout(hidden), runner.readout(expected))


@torch.inference_mode()
def test_a_step_off_the_cpu_reads_nothing_back(model: Model) -> None:
    """Tensors on "meta" have no values: whatever asked for one would raise, as in a capture."""
    module = copy.deepcopy(model.module).to(torch.bfloat16).to("meta")
    away = dataclasses.replace(model, module=module, dtype=torch.bfloat16)
    parts = model.family.parts(module)
    assert parts is not None
    runner = OlmoeRunner(away, parts)
    cache = runner.open(4, 12)
    slots, at = (torch.zeros(3, *rest, dtype=torch.long, device="meta") for rest in ((), (1,)))
    policies = [*POLICIES[:2], ov.RoutingPolicy(8, threshold=0.1)]
    span = Span.anywhere(cache, slots, at)
    hidden = runner.run(cache, at, span, runner.plan(policies), Taps(3))
    assert runner.readout(hidden).shape == (3, 1, model.geometry.vocab)
    with pytest.raises((RuntimeError, NotImplementedError)):
        hidden.sum().item()
