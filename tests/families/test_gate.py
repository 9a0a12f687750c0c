"""From logits to experts and weights, held against loops that anyone can check."""

import math

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import DeepseekV3Config, MixtralConfig, OlmoeConfig, Qwen3MoeConfig
from transformers.models.deepseek_v3.modeling_deepseek_v3 import DeepseekV3TopkRouter
from transformers.models.mixtral.modeling_mixtral import MixtralTopKRouter
from transformers.models.olmoe.modeling_olmoe import OlmoeTopKRouter
from transformers.models.qwen3_moe.modeling_qwen3_moe import Qwen3MoeTopKRouter

from olmoe_viz import RoutingPolicy
from olmoe_viz.families.gate import GateRule, Groups, choose, plan_layer, weigh
from olmoe_viz.policy import WEIGHTINGS

EXPERTS, TRAINED = 12, 4
CPU = torch.device("cpu")
policies = st.builds(
    RoutingPolicy,
    st.integers(1, EXPERTS),
    st.sampled_from(WEIGHTINGS),
    st.sampled_from([0.0, 0.05, 0.1, 0.3, 1.0]),
)
rules = st.builds(
    GateRule,
    score=st.sampled_from(["softmax", "sigmoid"]),
    precision=st.sampled_from(["float32", "logits"]),
    groups=st.sampled_from([None, Groups(3, 2), Groups(4, 3, "top2")]),
    normalise=st.booleans(),
    scale=st.sampled_from([1.0, 2.5]),
)
# Few values, so that ties are everywhere.
logits_of_rows = arrays.arrays(
    np.float32, (3, 2, EXPERTS), elements=st.sampled_from([-1, 0, 0.5, 2])
)


def by_hand(
    rule: GateRule, policy: RoutingPolicy, logits: np.ndarray, bias: np.ndarray | None
) -> dict[int, float]:
    """Return the weight of each expert that runs for one token, strongest first."""
    powers = [math.exp(float(x)) for x in logits]
    scores = [
        power / sum(powers) if rule.score == "softmax" else power / (1 + power) for power in powers
    ]
    wish = [score + (0 if bias is None else bias[e]) for e, score in enumerate(scores)]
    if rule.groups is not None:
        width = EXPERTS // rule.groups.count
        groups = [wish[at : at + width] for at in range(0, EXPERTS, width)]
        best = [max(g) if rule.groups.score == "max" else sum(sorted(g)[-2:]) for g in groups]
        order = sorted(range(len(best)), key=lambda g: (-round(best[g], 5), g))
        for dropped in order[rule.groups.kept :]:
            wish[dropped * width : (dropped + 1) * width] = [-math.inf] * width
    ranked = sorted(range(EXPERTS), key=lambda e: (-round(wish[e], 5), e))
    kept = [e for e in ranked[: policy.k] if scores[e] >= policy.threshold - 1e-7] or ranked[:1]
    if ranked[0] not in kept:
        kept = [ranked[0], *kept]
    weights = {e: scores[e] for e in kept}
    total = sum(weights.values())
    target = total
    if policy.weighting == "renormalized" or rule.normalise:
        target = 1.0
    if policy.weighting == "gain_anchored":
        target = sum(scores[e] for e in ranked[:TRAINED])
    return {e: w / total * target * rule.scale for e, w in weights.items()}


@given(logits=logits_of_rows, rule=rules, rows=st.lists(policies, min_size=3, max_size=3))
def test_every_rule_and_policy_is_the_loop_written_out(
    logits: np.ndarray, rule: GateRule, rows: list[RoutingPolicy]
) -> None:
    if rule.groups is not None:  # no more than the groups that are kept hold
        most = rule.groups.kept * EXPERTS // rule.groups.count
        rows = [RoutingPolicy(min(r.k, most), r.weighting, r.threshold) for r in rows]
    plan = plan_layer(rows, [row.k for row in rows], TRAINED, CPU)
    flat = torch.from_numpy(logits.reshape(-1, EXPERTS).copy())
    ids, weights, used = weigh(rule, plan, choose(rule, plan, flat))
    assert ids.shape == weights.shape == (6, max(row.k for row in rows))
    shape = (3, 2, ids.shape[1])
    marked = torch.ones(shape, dtype=torch.bool) if used is None else used.expand(shape)
    for row, policy in enumerate(rows):
        for token in range(2):
            expected = by_hand(rule, policy, logits[row, token], None)
            at = marked[row, token].numpy()
            found, own = ids.view(shape)[row, token], weights.view(shape)[row, token]
            assert found[at].tolist() == list(expected)
            np.testing.assert_allclose(own[at], list(expected.values()), rtol=1e-4)
            assert not own[~at].any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("k", [1, 2, 7, 8, 9, 16, 63, 64])
def test_ties_at_the_cutoff_go_to_the_lower_id(dtype: torch.dtype, k: int) -> None:
    """Six experts that are equal in the precision of the model are planted across the cutoff."""
    draw = torch.Generator().manual_seed(k)
    logits = torch.randn(40, 64, generator=draw).to(dtype)
    for row in logits:
        falling = row.float().sort(descending=True).values
        equal = torch.randperm(64, generator=draw)[:6]
        row[equal] = falling[min(k, 63)].to(dtype)
    plan = plan_layer([RoutingPolicy(k)], [k], 8, CPU)
    ids = choose(GateRule(), plan, logits).ids
    tied = 0
    for row, chosen in zip(logits.float().softmax(-1).tolist(), ids.tolist(), strict=True):
        ranked = sorted(range(64), key=lambda expert: (-row[expert], expert))
        assert chosen == ranked[:k]
        tied += k < 64 and row[ranked[k - 1]] == row[ranked[k]]
    assert tied > 0 or k == 64


ROUTERS = {
    "olmoe": (OlmoeTopKRouter, OlmoeConfig, {}, GateRule()),
    "qwen3_moe": (
        Qwen3MoeTopKRouter,
        Qwen3MoeConfig,
        {"norm_topk_prob": True},
        GateRule(normalise=True),
    ),
    "mixtral": (MixtralTopKRouter, MixtralConfig, {}, GateRule(normalise=True)),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("family", ROUTERS)
@torch.inference_mode()
def test_a_rule_as_data_is_the_stock_router_of_other_families_too(
    family: str, dtype: torch.dtype
) -> None:
    router_type, config_type, options, rule = ROUTERS[family]
    sizes = {"num_experts": 64, "num_local_experts": 64, "num_experts_per_tok": 6}
    config = config_type(hidden_size=32, **sizes, **options)
    router = router_type(config).to(dtype)
    torch.manual_seed(0)
    torch.nn.init.normal_(router.weight)
    logits, weights, ids = router(torch.randn(50, 32, dtype=dtype))
    plan = plan_layer([RoutingPolicy(6)], [6], 6, CPU)
    ours = weigh(rule, plan, choose(rule, plan, logits))
    clear = _clear(logits.float().softmax(-1), 7)
    assert clear.any()
    assert torch.equal(ours.ids[clear], ids[clear])
    assert torch.equal(ours.weights.to(weights.dtype)[clear], weights[clear])


@torch.inference_mode()
def test_a_rule_with_bias_groups_and_scale_is_the_stock_router() -> None:
    config = DeepseekV3Config(
        hidden_size=32,
        n_routed_experts=16,
        num_experts_per_tok=3,
        n_group=4,
        topk_group=2,
        norm_topk_prob=True,
        routed_scaling_factor=2.5,
    )
    router = DeepseekV3TopkRouter(config)
    torch.manual_seed(0)
    torch.nn.init.normal_(router.weight)
    router.e_score_correction_bias.normal_(std=0.1)
    logits, weights, ids = router(torch.randn(60, 32))
    groups = Groups(4, 2, "top2")
    rule = GateRule("sigmoid", choice_bias=True, groups=groups, normalise=True, scale=2.5)
    plan = plan_layer([RoutingPolicy(3)], [3], 3, CPU)
    ours = weigh(rule, plan, choose(rule, plan, logits, router.e_score_correction_bias))
    spread = [torch.zeros(60, 16).scatter_(1, each, w) for each, w in ((ids, weights), ours[:2])]
    torch.testing.assert_close(spread[0], spread[1], rtol=1e-5, atol=1e-6)


def _clear(scores: torch.Tensor, columns: int) -> torch.Tensor:
    """Return the tokens without a tie among their first experts."""
    falling = scores.sort(descending=True).values[:, :columns]
    return (falling.diff(dim=-1) != 0).all(dim=-1)


def test_rows_must_divide_the_tokens() -> None:
    plan = plan_layer([RoutingPolicy(8), RoutingPolicy(9)], [8, 9], 8, CPU)
    with pytest.raises(ValueError, match="7 tokens cannot be split over 2"):
        weigh(GateRule(), plan, choose(GateRule(), plan, torch.randn(7, 64)))
