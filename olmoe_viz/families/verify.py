"""Does the rule of a family give what its stock router gives? Asked at load, in the dtype used."""

import copy
from collections.abc import Sequence
from dataclasses import replace

import torch
from accelerate.utils import align_module_device  # type: ignore[import-untyped]
from torch import Tensor, nn

from olmoe_viz.families.base import Site
from olmoe_viz.families.gate import GateRule, LayerPlan, choose, plan_layer, weigh
from olmoe_viz.policy import RoutingPolicy

_TOKENS = 256


@torch.inference_mode()
def steers(sites: Sequence[Site]) -> bool:
    """Whether every layer's rule gives what the stock router gives at several k.

    Asked at k = 1, the trained k, one more and the largest, on random inputs. The stock router is
    asked through a shallow copy with a `top_k` of its own, which shares its weights; nothing on the
    model changes. A token whose scores tie at the cutoff is not compared: there the stock router
    promises no order.
    """
    return all(_steers(site) for site in sites)


def _steers(site: Site) -> bool:
    facts = site.facts
    with align_module_device(site.router):
        twin = copy.copy(site.router)
        weight = next(twin.parameters())
        draw = torch.Generator().manual_seed(facts.layer)
        inputs = torch.randn(_TOKENS, weight.shape[-1], generator=draw)
        inputs = inputs.to(weight.device, weight.dtype)
        ks = {1, facts.trained_k, min(facts.trained_k + 1, facts.largest_k), facts.largest_k}
        return all(_agrees(site, twin, inputs, k) for k in sorted(ks))


def _agrees(site: Site, twin: nn.Module, inputs: Tensor, k: int) -> bool:
    vars(twin)["top_k"] = k  # of the copy alone: the model's own is never written
    # The class's own method: accelerate hooks the one of the instance.
    logits, weights, ids = type(twin).forward(twin, inputs)
    plan = plan_layer([RoutingPolicy(k)], [k], site.facts.trained_k, logits.device)
    choice = choose(site.rule, plan, logits, site.choice_bias)
    ours = weigh(site.rule, plan, choice)
    clear = _clear(site.rule, plan, logits, site.choice_bias)
    shape = (len(inputs), site.facts.experts)
    spread = [
        torch.zeros(shape, dtype=torch.float32, device=logits.device).scatter_(1, each, w.float())
        for each, w in ((ids, weights), (ours.ids, ours.weights.to(weights.dtype)))
    ]
    return torch.equal(spread[0][clear], spread[1][clear])


def _clear(rule: GateRule, plan: LayerPlan, logits: Tensor, bias: Tensor | None) -> Tensor:
    """Return which tokens have no tie at the cutoff, bool [tokens].

    In float32 whatever the rule says: one that is too coarse must not excuse itself by its ties.
    """
    rule = replace(rule, precision="float32")
    experts = logits.shape[-1]
    if plan.width == experts:
        return torch.ones(len(logits), dtype=torch.bool, device=logits.device)
    wider = plan_layer([RoutingPolicy(plan.k + 1)], [plan.k + 1], plan.trained_k, logits.device)
    choice = choose(rule, wider, logits, bias)
    preference = choice.scores if bias is None else choice.scores + bias[choice.ids]
    return preference[:, -1] != preference[:, -2]
