"""From router logits to the experts that run and their weights: one rule, given as data.

Knows nothing about models or requests. Both runners use these functions, and so does the check at
load. Experts are ordered by falling score, equal ones by rising id, wherever this runs:
`torch.topk` promises no order among equals.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from olmoe_viz.policy import RoutingPolicy


@dataclass(frozen=True)
class Groups:
    """Experts in `count` equal groups, of which a token may choose from the best `kept`.

    A group is as good as its best expert, or as the sum of its best two.
    """

    count: int
    kept: int
    score: Literal["max", "top2"] = "max"


@dataclass(frozen=True)
class GateRule:
    """How a family's router gets from logits to experts and weights.

    `score` turns logits into scores, in float32 or in the `precision` of the logits. A
    `choice_bias` is added to choose and never to weigh. The weights of the chosen experts are their
    scores, divided by their sum if `normalise`, times `scale`. `ordered` says whether the stock
    router gives the experts strongest first; a check compares them as sets where it does not.
    """

    score: Literal["softmax", "sigmoid"] = "softmax"
    precision: Literal["float32", "logits"] = "float32"
    choice_bias: bool = False
    groups: Groups | None = None
    normalise: bool = False
    scale: float = 1.0
    ordered: bool = True


class Choice(NamedTuple):
    """Expert ids int64 and their scores float, both [tokens, width], strongest first."""

    ids: Tensor
    scores: Tensor


class Weighed(NamedTuple):
    """What runs: expert ids int64 and weights float, both [tokens, k].

    `used` is bool, broadcast to [rows, tokens of a row, k]: False where a column does not belong to
    the token, whose weight there is 0. None where every column does.
    """

    ids: Tensor
    weights: Tensor
    used: Tensor | None


@dataclass(frozen=True, eq=False)
class LayerPlan:
    """What one layer does for the rows of a batch, as tensors on its device.

    `k` is the most experts of any row, `width` how many scores their weights are made from (a
    gain-anchored row needs the trained k's too). `kept` is bool [rows, 1, width], `threshold`
    float32 [rows, 1, 1]; `scaled` and `anchored` are bool [rows, 1, 1]. Each is None where it would
    change nothing.
    """

    k: int
    width: int
    trained_k: int
    rows: int
    kept: Tensor | None
    threshold: Tensor | None
    scaled: Tensor | None
    anchored: Tensor | None


def plan_layer(
    policies: Sequence[RoutingPolicy], ks: Sequence[int], trained_k: int, device: torch.device
) -> LayerPlan:
    """Return the plan of one layer, in which row r has at most `ks[r]` experts."""
    scaled = [policy.weighting != "native" for policy in policies]
    anchored = [policy.weighting == "gain_anchored" for policy in policies]
    thresholds = [policy.threshold for policy in policies]
    width = max([*ks, trained_k * any(anchored)])
    kept = torch.arange(width, device=device) < torch.tensor(ks, device=device).view(-1, 1, 1)

    def column(values: Sequence[bool] | Sequence[float]) -> Tensor | None:
        return torch.tensor(values, device=device).view(-1, 1, 1) if any(values) else None

    return LayerPlan(
        k=max(ks),
        width=width,
        trained_k=trained_k,
        rows=len(policies),
        kept=None if min(ks) == width else kept,
        threshold=column(thresholds),
        scaled=column(scaled),
        anchored=column(anchored),
    )


def choose(rule: GateRule, plan: LayerPlan, logits: Tensor, bias: Tensor | None = None) -> Choice:
    """Return the `plan.width` experts of each token from router logits [tokens, experts].

    `bias` is float [experts], for a rule with a choice bias.
    """
    values = logits.float() if rule.precision == "float32" else logits
    scores = values.softmax(-1) if rule.score == "softmax" else values.sigmoid()
    if bias is None and rule.groups is None:
        return _strongest(scores, plan.width)
    preference = scores if bias is None else scores + bias
    if rule.groups is not None:
        preference = _within_groups(rule.groups, preference)
    ids = preference.sort(dim=-1, descending=True, stable=True).indices[:, : plan.width]
    return Choice(ids, scores.gather(1, ids))


def _strongest(scores: Tensor, width: int) -> Choice:
    """Return the first `width` of each row, equal ones by rising id.

    On a CPU the sort of all experts is only needed where two of the first, or the last of them and
    the next, are equal, which for many tokens saves more than half of it. Elsewhere the answer to
    that question would have to be waited for.
    """
    if scores.device.type == "cpu":
        found = scores.topk(min(width + 1, scores.shape[-1]), dim=-1)
        if not (found.values[:, 1:] == found.values[:, :-1]).any():
            return Choice(found.indices[:, :width], found.values[:, :width])
    falling, ids = scores.sort(dim=-1, descending=True, stable=True)
    return Choice(ids[:, :width], falling[:, :width])


def weigh(rule: GateRule, plan: LayerPlan, choice: Choice) -> Weighed:
    """Return the experts that run and their weights, in the precision of the scores.

    Raises ValueError when the rows do not divide the tokens.
    """
    ids, scores = choice
    used = _used(plan, scores)
    by_row = scores.view(plan.rows, -1, plan.width) if used is not None else scores.unsqueeze(0)
    kept = by_row if used is None else by_row * used
    weights = kept / kept.sum(-1, keepdim=True) if rule.normalise else kept
    if plan.scaled is not None:
        by_row, weights = (each.reshape(plan.rows, -1, plan.width) for each in (by_row, weights))
        target = weights.new_ones(())
        if plan.anchored is not None:
            anchor = by_row[..., : plan.trained_k].sum(-1, keepdim=True)
            target = torch.where(plan.anchored, anchor, target)
        scale = target / weights.sum(-1, keepdim=True)
        weights = weights * torch.where(plan.scaled, scale, 1.0)
    if rule.scale != 1:
        weights = weights * rule.scale
    weights = weights.reshape(-1, plan.width)
    if plan.k < plan.width:
        ids, weights = ids[:, : plan.k], weights[:, : plan.k]
        used = None if used is None else used[..., : plan.k]
    return Weighed(ids, weights, used)


def _used(plan: LayerPlan, scores: Tensor) -> Tensor | None:
    """Return which columns belong to a token, bool [rows, 1 or tokens, width]; None: all do."""
    if plan.kept is None and plan.threshold is None:
        return None
    if len(scores) % plan.rows:
        raise ValueError(f"{len(scores)} tokens cannot be split over {plan.rows} policies.")
    if plan.threshold is None:
        return plan.kept
    reached = scores.view(plan.rows, -1, plan.width) >= plan.threshold
    reached[..., 0] = True  # the strongest always runs
    return reached if plan.kept is None else reached & plan.kept


def _within_groups(groups: Groups, preference: Tensor) -> Tensor:
    """Take every expert outside the best groups out of the choice."""
    split = preference.view(len(preference), groups.count, -1)
    best = split.amax(-1) if groups.score == "max" else split.topk(2, dim=-1).values.sum(-1)
    order = best.sort(dim=-1, descending=True, stable=True).indices[:, groups.kept :]
    dropped = torch.zeros_like(best, dtype=torch.bool).scatter_(1, order, value=True)
    return split.masked_fill(dropped.unsqueeze(-1), -torch.inf).view_as(preference)
