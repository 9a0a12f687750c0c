"""The one pass: nothing else runs the model.

A runner knows nothing about requests, sampling or text. It gives every row of a batch its own
policy by the plan of the step; nothing is ever set on the model, which others share.
"""

from collections.abc import Sequence
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from torch import Tensor

from olmoe_viz.engine.hooked_runner import HookedRunner
from olmoe_viz.engine.olmoe_runner import OlmoeRunner
from olmoe_viz.engine.plan import Plan
from olmoe_viz.engine.taps import Taps
from olmoe_viz.interventions import Phase
from olmoe_viz.models.model import Model
from olmoe_viz.policy import RoutingPolicy


class Runner(Protocol):
    """Runs equally many new tokens of some rows, after what their slots hold already.

    `name` is for the provenance of what it computes. `rows_join`: rows at different positions may
    share a step, and join and leave between steps, and the state is a `KvCache`; without it a step
    has all slots, in order and at one position.
    """

    name: str
    rows_join: bool

    def open(self, slots: int, length: int) -> Any:
        """Return the state of a batch: a cache of `slots` sequences of up to `length` tokens."""
        ...

    def step(
        self,
        state: Any,
        ids: Sequence[Sequence[int]],
        slots: Sequence[int],
        starts: Sequence[int],
        plan: Plan,
        taps: Taps,
    ) -> Tensor:
        """Run new tokens `ids` [rows, tokens], row r from position `starts[r]` of `slots[r]` on.

        Returns the residual stream after the last block, [rows, tokens, hidden], not yet normed.
        What the pass records goes into `taps`. Raises ValueError for positions that the state does
        not hold.
        """
        ...

    def readout(self, hidden: Tensor) -> Tensor:
        """Return float32 logits [..., vocab] of the residual stream [..., hidden]."""
        ...

    def plan(self, policies: Sequence[RoutingPolicy], phase: Phase = "prompt") -> Plan:
        """Return the plan in which row r runs under `policies[r]`; ValueError if one cannot run.

        `phase` says which interventions act: those on tokens of a prompt or on generated ones.
        """
        ...


_runners: WeakKeyDictionary[Model, Runner] = WeakKeyDictionary()


def runner_of(model: Model) -> Runner:
    """Return the pass of a model, the fast one where the family has one; made once a model."""
    found = _runners.get(model)
    if found is None:
        found = _runners.setdefault(model, _make(model))
    return found


def _make(model: Model) -> Runner:
    if model.parts is None or "steer" not in model.capabilities:
        return HookedRunner(model)
    return OlmoeRunner(model, model.parts)
