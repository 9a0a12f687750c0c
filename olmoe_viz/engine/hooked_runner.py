"""The pass of any family with an adapter: stock modules, watched and steered by forward hooks.

Slower than a pass written for one family, and right for all. Nothing on the model is replaced or
set: a hook on each stock router reads the step that its thread runs, and returns the experts and
weights of that step's plan in place of the stock router's.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import DynamicCache

from olmoe_viz.engine.plan import Plan, plan_rows
from olmoe_viz.engine.taps import Taps
from olmoe_viz.families.base import Site
from olmoe_viz.families.gate import Weighed, route
from olmoe_viz.interventions import Phase
from olmoe_viz.models.model import Model
from olmoe_viz.policy import RoutingPolicy


@dataclass(eq=False)
class HookedState:
    """A batch of `slots` rows that all stand at the same position."""

    slots: int
    length: int
    cache: DynamicCache


@dataclass(eq=False)
class _Step:
    """What the hooks of a running step need; the hidden states of the last block, once there."""

    plan: Plan
    taps: Taps
    hidden: Tensor | None = None


class HookedRunner:
    """Runs stock modules; without the capability "steer" it only records what they do."""

    name = "hooked"
    rows_join = False

    def __init__(self, model: Model) -> None:
        self._module, self._family, self._geometry = model.module, model.family, model.geometry
        self._device, self._steers = model.device, "steer" in model.capabilities
        self._sites = model.sites
        self._devices = tuple(_device(site.router) for site in self._sites)
        self._running = threading.local()
        self._hooks = [hook for number in range(len(self._sites)) for hook in self._install(number)]

    def close(self) -> None:
        """Take the hooks off the model again."""
        for hook in self._hooks:
            hook.remove()

    def open(self, slots: int, length: int) -> HookedState:
        """Return the state of a batch of exactly `slots` rows of up to `length` tokens."""
        return HookedState(slots, length, DynamicCache(config=self._module.config))

    def plan(self, policies: Sequence[RoutingPolicy], phase: Phase = "prompt") -> Plan:
        """Return the plan in which row r runs under `policies[r]`; see `Runner.plan`."""
        trained = {RoutingPolicy(each.trained_k) for each in self._geometry.moe_layers}
        if not self._steers and set(policies) != trained:
            (only,) = trained
            raise ValueError(f"This model's routing cannot be changed: it runs with {only} only.")
        return plan_rows(tuple(policies), self._geometry, self._devices, phase)

    def step(
        self,
        state: HookedState,
        ids: Sequence[Sequence[int]],
        slots: Sequence[int],
        starts: Sequence[int],
        plan: Plan,
        taps: Taps,
    ) -> Tensor:
        """Run new tokens of all rows together; see `Runner.step`.

        Raises ValueError unless the step has all slots, in order and at the position reached.
        """
        position = state.cache.get_seq_length()
        if list(slots) != list(range(state.slots)) or set(starts) != {position}:
            raise ValueError("Rows cannot join or leave a batch of this model, nor stand apart.")
        tokens = torch.tensor(ids, device=self._device)
        if position + tokens.shape[1] > state.length:
            raise ValueError(f"The cache holds positions 0 to {state.length - 1}.")
        before, step = taps.layers_recorded(), _Step(plan.at(starts, tokens.shape[1]), taps)
        self._running.step = step
        try:
            self._module.base_model(tokens, past_key_values=state.cache, use_cache=True)
        finally:
            self._running.step = None
        recorded = taps.layers_recorded() - before
        if step.hidden is None or recorded != len(self._sites):
            raise RuntimeError(f"{recorded} of {len(self._sites)} layers of experts have run.")
        return step.hidden

    def readout(self, hidden: Tensor) -> Tensor:
        """Return float32 logits [..., vocab] of the residual stream [..., hidden]."""
        return self._family.readout(self._module, hidden)

    def _install(self, number: int) -> list[Any]:
        site, last = self._sites[number], number == len(self._sites) - 1

        def entering(_: nn.Module, inputs: tuple[Any, ...]) -> None:
            if (step := self._step()) is not None:
                step.taps.add_hidden(inputs[0])

        def attended(_: nn.Module, __: Any, output: tuple[Any, ...]) -> None:
            if (step := self._step()) is not None:
                step.taps.add_attention(output[0])

        def left(_: nn.Module, __: Any, output: Tensor) -> None:
            if (step := self._step()) is not None:
                step.hidden = output
                step.taps.add_hidden(output)

        hooks: list[Any] = [
            site.decoder.register_forward_pre_hook(entering),
            site.attention.register_forward_hook(attended),
            site.router.register_forward_hook(self._route(number, site)),
        ]
        return [*hooks, site.decoder.register_forward_hook(left)] if last else hooks

    def _route(self, number: int, site: Site) -> Callable[..., tuple[Tensor, ...] | None]:
        def hook(_: nn.Module, __: Any, output: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
            step = self._step()
            if step is None:
                return None
            logits, stock_weights, stock_ids = output
            if not self._steers:
                step.taps.add_routing(logits, Weighed(stock_ids, stock_weights, None))
                return None
            plan = step.plan.layers[number]
            ids, weights, used = route(site.rule, plan, logits, site.choice_bias)
            weights = weights.to(stock_weights.dtype)
            step.taps.add_routing(logits, Weighed(ids, weights, used))
            return logits, weights, ids

        return hook

    def _step(self) -> _Step | None:
        return getattr(self._running, "step", None)


def _device(router: nn.Module) -> torch.device:
    hook = getattr(router, "_hf_hook", None)
    planned = getattr(hook, "execution_device", None)
    return next(router.parameters()).device if planned is None else torch.device(planned)
