"""How the rows of one batch are routed, as tensors that are built once."""

from dataclasses import dataclass
from functools import lru_cache

import torch

from olmoe_viz.families.gate import LayerPlan, plan_layer
from olmoe_viz.numerics.geometry import Geometry
from olmoe_viz.policy import RoutingPolicy


@dataclass(frozen=True, eq=False)
class Plan:
    """The policies of the rows of a batch, and a plan for each layer of experts, in order."""

    policies: tuple[RoutingPolicy, ...]
    layers: tuple[LayerPlan, ...]

    @property
    def rows(self) -> int:
        """Rows that the batch must have; 1 serves any number."""
        return self.layers[0].rows

    @property
    def widest(self) -> int:
        """The most experts of any row in any layer."""
        return max(layer.k for layer in self.layers)


@lru_cache(maxsize=256)
def plan_rows(
    policies: tuple[RoutingPolicy, ...], geometry: Geometry, devices: tuple[torch.device, ...]
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
    return Plan(policies, tuple(layers))
