"""How the rows of one batch are routed, as tensors that are built once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import torch

from olmoe_viz.families.edits import Cell, edits_of
from olmoe_viz.families.gate import LayerPlan, plan_layer
from olmoe_viz.interventions import Phase
from olmoe_viz.numerics.geometry import Geometry
from olmoe_viz.policy import RoutingPolicy


@dataclass(frozen=True, eq=False)
class Plan:
    """The policies of the rows of a batch, and a plan for each layer of experts, in order.

    `phase` says whether the tokens that the rows run are of a prompt or generated. Interventions
    are only in the plan of one step: see `at`.
    """

    policies: tuple[RoutingPolicy, ...]
    layers: tuple[LayerPlan, ...]
    geometry: Geometry
    devices: tuple[torch.device, ...]
    phase: Phase

    @property
    def rows(self) -> int:
        """Rows that the batch must have; 1 serves any number."""
        return self.layers[0].rows

    @property
    def widest(self) -> int:
        """The most experts of any row in any layer."""
        return max(layer.k for layer in self.layers)

    def at(self, starts: Sequence[int], tokens: int) -> "Plan":
        """Return the plan of a step: `tokens` new tokens of each row, the first at `starts[r]`."""
        if not any(policy.interventions for policy in self.policies):
            return self
        return self.with_cells(
            tuple(
                cell_of(policy, position, self.phase)
                for policy, start in zip(self.policies, starts, strict=True)
                for position in range(start, start + tokens)
            )
        )

    def with_cells(self, cells: tuple[Cell, ...]) -> "Plan":
        """Return the plan of a step in which these act on its tokens, one after another."""
        ids, experts = self.geometry.layer_ids, self.geometry.experts
        acting = {each for cell in set(cells) for each in cell[0]}
        layers = (
            replace(layer, edits=edits_of(cells, number, experts, layer.k, device))
            if any(each.acts_in(number) for each in acting)
            else layer
            for layer, number, device in zip(self.layers, ids, self.devices, strict=True)
        )
        return replace(self, layers=tuple(layers))


def cell_of(policy: RoutingPolicy, position: int, phase: Phase) -> Cell:
    """Return what acts on the token at a position."""
    acting = (each for each in policy.interventions if each.acts_at(position, phase))
    return tuple(acting), policy.lost_mass


@lru_cache(maxsize=256)
def plan_rows(
    policies: tuple[RoutingPolicy, ...],
    geometry: Geometry,
    devices: tuple[torch.device, ...],
    phase: Phase,
) -> Plan:
    """Return the plan in which row r of a batch runs under `policies[r]`.

    `devices` are those of the layers of experts. Rows that are all alike share one plan for any
    number of rows. Raises ValueError without a policy and for one that does not fit the model.
    """
    if not policies:
        raise ValueError("There must be a policy for each row.")
    apart = policies[:1] if len(set(policies)) == 1 else policies
    facts = geometry.moe_layers
    ks = [policy.ks(len(facts), geometry.experts) for policy in apart]
    layers = (
        plan_layer(apart, by_layer, each.trained_k, device)
        for by_layer, each, device in zip(zip(*ks, strict=True), facts, devices, strict=True)
    )
    return Plan(policies, tuple(layers), geometry, devices, phase)
