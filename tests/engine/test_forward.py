"""The pass over tensors that are filled anew for each step, as a captured graph would be run."""

import copy

import pytest
import torch

import olmoe_viz as ov
from olmoe_viz.engine.decoding import advance
from olmoe_viz.engine.forward import Cache, Span, forward, logits
from olmoe_viz.engine.router import routing
from olmoe_viz.models.load import Model

POLICIES = [ov.RoutingPolicy(1), ov.RoutingPolicy(16, "gain_anchored"), ov.RoutingPolicy(8)]
PROMPTS = [[5, 9, 4, 7], [11, 3], [6, 8, 2]]
NEW = [[7, 3, 9], [4, 12, 5], [10, 6, 3]]


@torch.inference_mode()
def test_refilled_tensors_give_what_fresh_ones_give(model: Model) -> None:
    fresh, refilled = (Cache(model.module, slots=4, length=12) for _ in range(2))
    slots = [3, 0, 2]
    for cache in (fresh, refilled):
        for prompt, slot, policy in zip(PROMPTS, slots, POLICIES, strict=True):
            advance(model, cache, [prompt], [slot], [0], [policy])
    starts = [len(prompt) for prompt in PROMPTS]
    token_ids = torch.zeros(3, 1, dtype=torch.long)
    positions = torch.zeros(3, 1, dtype=torch.long)
    span = Span.anywhere(refilled, torch.tensor(slots), positions)
    for step in range(3):
        tokens = [[row[step]] for row in NEW]
        at = [start + step for start in starts]
        expected, _ = advance(model, fresh, tokens, slots, at, POLICIES)
        token_ids.copy_(torch.tensor(tokens))
        positions.copy_(torch.tensor(at).unsqueeze(1))
        with routing(POLICIES):
            hidden = forward(model.module, token_ids, refilled, span)
        torch.testing.assert_close(logits(model.module, hidden)[:, 0], expected)


@torch.inference_mode()
def test_a_step_off_the_cpu_reads_nothing_back(model: Model) -> None:
    """Tensors on "meta" have no values: whatever asked for one would raise, as in a capture."""
    module = copy.deepcopy(model.module).to(torch.bfloat16).to("meta")
    cache = Cache(module, slots=4, length=12)
    slots, at = (torch.zeros(3, *rest, dtype=torch.long, device="meta") for rest in ((), (1,)))
    with routing(POLICIES):
        hidden = forward(module, at, cache, Span.anywhere(cache, slots, at))
    assert logits(module, hidden).shape == (3, 1, model.geometry.vocab)
    with pytest.raises((RuntimeError, NotImplementedError)):
        hidden.sum().item()
