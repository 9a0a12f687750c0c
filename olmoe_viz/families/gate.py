"""From router logits to the experts that run and their weights: one rule, given as data.

Knows nothing about models or requests. Both runners use these functions, and so does the check at
load. Experts are ordered by falling score, equal ones by rising id, wherever this runs:
`torch.topk` promises no order among equals.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from olmoe_viz.families.edits import Edits
from olmoe_viz.interventions import LOST_MASS
from olmoe_viz.policy import RoutingPolicy

_RESTORE, _RENORMALIZE = LOST_MASS.index("restore"), LOST_MASS.index("renormalize")


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

    def named(self) -> Tensor:
        """Return the ids with -1 where a column does not belong to the token."""
        if self.used is None:
            return self.ids
        ids = self.ids.view(len(self.used), -1, self.ids.shape[-1])
        return ids.masked_fill(~self.used, -1).view_as(self.ids)


@dataclass(frozen=True, eq=False)
class LayerPlan:
    """What one layer does for the rows of a batch, as tensors on its device.

    `k` is the most experts of any row, `width` how many scores their weights are made from (a
    gain-anchored row needs the trained k's too). `kept` is bool [rows, 1, width], `threshold`
    float32 [rows, 1, 1]; `scaled` and `anchored` are bool [rows, 1, 1]. Each is None where it would
    change nothing. `edits` are the interventions of a step, None where there are none.
    """

    k: int
    width: int
    trained_k: int
    rows: int
    kept: Tensor | None
    threshold: Tensor | None
    scaled: Tensor | None
    anchored: Tensor | None
    edits: Edits | None = None


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


def route(rule: GateRule, plan: LayerPlan, logits: Tensor, bias: Tensor | None = None) -> Weighed:
    """Return what runs, from router logits [tokens, experts]: choose, weigh, intervene.

    `bias` is as in `choose`. Weights are in the precision of the scores.
    """
    if plan.edits is None:
        return weigh(rule, plan, choose(rule, plan, logits, bias))
    return _intervene(rule, plan, plan.edits, logits, bias)


def choose(rule: GateRule, plan: LayerPlan, logits: Tensor, bias: Tensor | None = None) -> Choice:
    """Return the `plan.width` experts of each token from router logits [tokens, experts].

    `bias` is float [experts], for a rule with a choice bias.
    """
    scores = _scores(rule, logits)
    if bias is None and rule.groups is None:
        return _strongest(scores, plan.width)
    ids = _order(rule, scores, bias)[:, : plan.width]
    return Choice(ids, scores.gather(1, ids))


def _scores(rule: GateRule, logits: Tensor) -> Tensor:
    values = logits.float() if rule.precision == "float32" else logits
    return values.softmax(-1) if rule.score == "softmax" else values.sigmoid()


def _order(
    rule: GateRule, scores: Tensor, bias: Tensor | None, barred: Tensor | None = None
) -> Tensor:
    """Return all ids [tokens, experts], the first choice first and the barred ones last."""
    preference = scores if bias is None else scores + bias
    if barred is not None:
        preference = preference.masked_fill(barred, -torch.inf)
    if rule.groups is not None:
        preference = _within_groups(rule.groups, preference)
    return preference.sort(dim=-1, descending=True, stable=True).indices


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
    weights = _weights(rule, plan, by_row, kept, kept).reshape(-1, plan.width)
    if plan.k < plan.width:
        ids, weights = ids[:, : plan.k], weights[:, : plan.k]
        used = None if used is None else used[..., : plan.k]
    return Weighed(ids, weights, used)


def _weights(
    rule: GateRule, plan: LayerPlan, by_row: Tensor, kept: Tensor, scores: Tensor
) -> Tensor:
    """Turn scores [rows, tokens, n] into weights, at the scale of those chosen.

    `by_row` are the chosen scores [rows, tokens, width], `kept` the same with 0 for those that do
    not run.
    """
    if rule.normalise:
        total = kept.sum(-1, keepdim=True)
        kept, scores = kept / total, scores / total
    if plan.scaled is not None:
        by_row, kept = (each.reshape(plan.rows, -1, plan.width) for each in (by_row, kept))
        scores = scores.reshape(plan.rows, -1, scores.shape[-1])
        target = kept.new_ones(())
        if plan.anchored is not None:
            anchor = by_row[..., : plan.trained_k].sum(-1, keepdim=True)
            target = torch.where(plan.anchored, anchor, target)
        scale = target / kept.sum(-1, keepdim=True)
        scores = scores * torch.where(plan.scaled, scale, 1.0)
    return scores * rule.scale if rule.scale != 1 else scores


def _intervene(
    rule: GateRule, plan: LayerPlan, edits: Edits, logits: Tensor, bias: Tensor | None
) -> Weighed:
    """Return what runs under interventions.

    1. The policy chooses and weighs from the logits as they are: its experts, the scale between
       scores and weights, and the sum of the weights.
    2. It chooses again among those that are not barred, from biased logits. The barred ones keep
       their part of the softmax. Experts that are forced take the last places, those added come
       besides. Whoever is chosen weighs its score at the scale of 1.
    3. Weights move to the experts that were swapped in, then those that are off weigh 0.
    4. Where weights or experts are others than in 1, the rule for the lost mass scales them; a
       token of which nothing changed has what it has in 1, to the bit.

    The experts of a token come by falling weight, of equals the first choice first.
    """
    scores = _scores(rule, logits)
    first = _order(rule, scores, bias)
    choice = Choice(first[:, : plan.width], scores.gather(1, first)[:, : plan.width])
    own = weigh(rule, plan, choice)
    pushed = scores if edits.bias is None else _scores(rule, logits.float() + edits.bias)
    order = _order(rule, pushed, bias, edits.barred)
    chosen = _chosen(plan, edits, order, pushed.gather(1, order))
    weights = _at_scale(rule, plan, choice, pushed) * chosen
    if edits.targets is not None:
        targets = edits.targets.expand_as(order)
        weights = torch.zeros_like(weights).scatter_add(1, targets, weights)
        chosen = torch.zeros_like(weights).scatter_add(1, targets, chosen.to(weights.dtype)) > 0
    if edits.off is not None:
        weights = weights.masked_fill(edits.off, 0)
    before = torch.zeros_like(weights).scatter(1, own.ids, own.weights)
    ran = torch.zeros_like(chosen).scatter(1, own.ids, own.named() >= 0)
    changed = ((weights != before) | (chosen != ran)).any(-1, keepdim=True)
    weights = weights * torch.where(changed, _regain(edits.mass, weights, before), 1.0)
    # What is not chosen weighs -1 here, and so comes last.
    falling, places = (
        weights.masked_fill(~chosen, -1).gather(1, order).sort(dim=-1, descending=True, stable=True)
    )
    ids = torch.where(changed, order.gather(1, places), first)
    kept = before.masked_fill(~ran, -1).gather(1, first)
    falling = torch.where(changed, falling, kept)[:, : edits.most]
    return Weighed(ids[:, : edits.most], falling.clamp(min=0), (falling >= 0).unsqueeze(0))


def _chosen(plan: LayerPlan, edits: Edits, order: Tensor, ranked: Tensor) -> Tensor:
    """Return which experts run, bool [tokens, experts], from all by preference and their scores."""
    experts = order.shape[-1]
    column = torch.arange(experts, device=order.device)
    places = column < plan.width
    if plan.kept is not None:
        places = F.pad(plan.kept, (0, experts - plan.width))
    by_row = ranked.view(plan.rows, -1, experts)
    if plan.threshold is not None:
        places = places & ((by_row >= plan.threshold) | (column == 0))
    chosen = places.expand_as(by_row).reshape_as(order)
    if edits.barred is not None:
        chosen = chosen & ~edits.barred.expand_as(order).gather(1, order)
    if edits.forced is not None:
        forced = edits.forced.expand_as(order).gather(1, order)
        others = chosen & ~forced
        room = chosen.sum(-1, keepdim=True) - forced.sum(-1, keepdim=True)
        chosen = forced | (others & (others.cumsum(-1) <= room))
    chosen = torch.zeros_like(chosen).scatter(1, order, chosen)
    return chosen if edits.added is None else chosen | edits.added


def _at_scale(rule: GateRule, plan: LayerPlan, own: Choice, scores: Tensor) -> Tensor:
    """Return what each expert [tokens, experts] would weigh at the scale of the policy's choice."""
    used = _used(plan, own.scores)
    by_row = own.scores.view(plan.rows, -1, plan.width)
    kept = by_row if used is None else by_row * used
    return _weights(rule, plan, by_row, kept, scores.view(plan.rows, -1, scores.shape[-1])).view_as(
        scores
    )


def _regain(mass: Tensor, weights: Tensor, before: Tensor) -> Tensor:
    """Return the factor of the rule for lost mass, [tokens, 1]; 1 where nothing is left."""
    total = weights.sum(-1, keepdim=True)
    goal = torch.where(mass == _RESTORE, before.sum(-1, keepdim=True), total)
    goal = torch.where(mass == _RENORMALIZE, 1.0, goal)
    return torch.where(total > 0, goal / total, 1.0)


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
