"""The pass where nothing can be read back."""

import copy
import dataclasses

import pytest
import torch

import olmoe_viz as ov
from olmoe_viz.engine.olmoe_runner import OlmoeRunner, Span
from olmoe_viz.engine.taps import Taps
from olmoe_viz.models.model import Model

POLICIES = [ov.RoutingPolicy(1), ov.RoutingPolicy(16, "gain_anchored"), ov.RoutingPolicy(8)]


@torch.inference_mode()
def test_a_step_off_the_cpu_reads_nothing_back(model: Model) -> None:
    """Tensors on "meta" have no values: whatever asked for one would raise, as in a capture."""
    module = copy.deepcopy(model.module).to(torch.bfloat16).to("meta")
    away = dataclasses.replace(model, module=module, dtype=torch.bfloat16)
    parts = model.family.parts(module)
    assert parts is not None
    runner = OlmoeRunner(away, parts)
    cache = runner.open(4, 12)
    bases, at = (torch.zeros(3, *rest, dtype=torch.long, device="meta") for rest in ((), (1,)))
    policies = [*POLICIES[:2], ov.RoutingPolicy(8, threshold=0.1)]
    span = Span(bases, at, 12, masked=True, causal=False, together=None)
    hidden = runner.run(cache, at, span, runner.plan(policies), Taps(3))
    assert runner.readout(hidden).shape == (3, 1, model.geometry.vocab)
    with pytest.raises((RuntimeError, NotImplementedError)):
        hidden.sum().item()
