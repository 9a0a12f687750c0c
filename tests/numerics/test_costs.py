"""Parameters, bytes and FLOPs of OLMoE, against published numbers and against transformers."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from olmoe_viz.numerics.costs import (
    active_parameters,
    bytes_per_token,
    counted,
    flops_per_token,
    total_parameters,
)
from olmoe_viz.numerics.geometry import OLMOE_1B_7B, Geometry, MoeLayer
from olmoe_viz.records.routed import experts_used

# Published sizes of OLMoE-1B-7B, and bf16 gigabytes read for a token.
ACTIVE = {
    1: 577_374_208,
    8: 1_282_017_280,
    16: 2_087_323_648,
    32: 3_697_936_384,
    64: 6_919_161_856,
}
GIGABYTES = {1: 0.95, 8: 2.36, 16: 3.97, 32: 7.19, 64: 13.63}
SLOWDOWN = {1: 0.40, 8: 1.0, 16: 1.68, 32: 3.05, 64: 5.78}


def test_total_parameters_of_olmoe():
    assert total_parameters(OLMOE_1B_7B) == 6_919_161_856


@pytest.mark.parametrize(("k", "parameters"), ACTIVE.items())
def test_active_parameters_of_olmoe(k: int, parameters: int):
    assert active_parameters(OLMOE_1B_7B, k) == parameters == 476_710_912 + k * 100_663_296


@pytest.mark.parametrize("k", ACTIVE)
def test_bytes_per_token_of_olmoe(k: int):
    read = bytes_per_token(OLMOE_1B_7B, k)
    assert round(read / 1e9, 2) == GIGABYTES[k]
    assert round(read / bytes_per_token(OLMOE_1B_7B, 8), 2) == SLOWDOWN[k]
    assert bytes_per_token(OLMOE_1B_7B, k, bytes_per_value=4) == 2 * read


def test_costs_add_up_over_layers_of_different_k():
    mixed = [8] * 8 + [16] * 8
    for cost in (active_parameters, bytes_per_token, flops_per_token):
        assert 2 * cost(OLMOE_1B_7B, mixed) == cost(OLMOE_1B_7B, 8) + cost(OLMOE_1B_7B, 16)


def test_flops_are_two_per_matrix_weight_and_grow_with_the_position():
    norms = 16 * 4 * 2048 + 2048
    matrices = active_parameters(OLMOE_1B_7B, 8) - norms - 50304 * 2048
    one_position = 4 * 16 * 2048
    assert flops_per_token(OLMOE_1B_7B, 8) == 2 * matrices + one_position
    assert flops_per_token(OLMOE_1B_7B, 8, position=99) == 2 * matrices + 100 * one_position


def expert_by_expert(geometry: Geometry, ks: list[float]) -> float:
    """Count the parameters that take part, one matrix after the other."""
    hidden, key_value = geometry.hidden, geometry.kv_heads * geometry.head_dim
    total = 2 * geometry.vocab * hidden + hidden  # both embeddings and the final norm
    for k in ks:
        total += hidden * hidden + key_value * hidden + key_value * hidden + hidden * hidden
        total += hidden + hidden + hidden + key_value  # two norms of the block, of queries, of keys
        total += geometry.experts * hidden
        total += k * (3 * geometry.intermediate * hidden)
    return total


@given(st.lists(st.floats(1, 8) | st.integers(1, 8), min_size=3, max_size=3))
def test_each_layer_counts_the_experts_that_it_used_in_the_mean(ks: list[float]):
    geometry = Geometry(3, 8, 2, 12, 6, 4, 2, 40, 32)
    active = active_parameters(geometry, ks)
    assert isinstance(active, int)
    assert abs(active - expert_by_expert(geometry, ks)) <= 0.5 + 1e-6
    same = active_parameters(geometry, ks[0])
    assert abs(same - expert_by_expert(geometry, [ks[0]] * 3)) <= 0.5 + 1e-6
    read = active - geometry.vocab * geometry.hidden
    assert bytes_per_token(geometry, ks, bytes_per_value=1) == read
    norms = 3 * (3 * 12 + 6) + 12
    assert flops_per_token(geometry, ks) == 2 * (read - norms) + 4 * 3 * 12


def test_costs_are_of_the_experts_that_ran_not_of_those_allowed():
    ids = np.full((16, 2, 8), -1, np.int16)
    ids[:, 0, :3], ids[:, 1, :2] = np.arange(3), np.arange(2)
    used = experts_used(ids).tolist()
    assert used == [2.5] * 16
    between = active_parameters(OLMOE_1B_7B, 2) + active_parameters(OLMOE_1B_7B, 3)
    assert active_parameters(OLMOE_1B_7B, used) == between / 2


@pytest.mark.parametrize("kv_heads", [1, 2, 4])
def test_the_count_is_the_size_of_the_module_that_transformers_builds(kv_heads: int):
    import torch
    from transformers import OlmoeConfig, OlmoeForCausalLM

    config = OlmoeConfig(
        vocab_size=50,
        hidden_size=24,
        intermediate_size=10,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=kv_heads,
        num_experts=6,
        num_experts_per_tok=2,
        max_position_embeddings=32,
        pad_token_id=None,
        eos_token_id=0,
    )
    with torch.device("meta"):
        module = OlmoeForCausalLM(config)
    geometry = Geometry(3, 6, 2, 24, 10, 4, kv_heads, 50, 32)
    assert total_parameters(geometry) == sum(weight.numel() for weight in module.parameters())
    parts = counted(geometry)
    assert parts.total == total_parameters(geometry)
    assert parts.embedding == module.model.embed_tokens.weight.numel()
    assert parts.experts == sum(
        weight.numel() for block in module.model.layers for weight in block.mlp.experts.parameters()
    )


@pytest.mark.parametrize("k", [0, 0.5, 65, 64.5, [8] * 15 + [65], [8] * 15, [8] * 15 + [0.0]])
def test_a_k_outside_the_model_is_refused(k: object):
    with pytest.raises(ValueError, match=r"from 1 to 64|15 ks for 16 layers"):
        active_parameters(OLMOE_1B_7B, k)


def test_a_position_before_the_text_is_refused():
    with pytest.raises(ValueError, match="0 or more"):
        flops_per_token(OLMOE_1B_7B, 8, position=-1)


@pytest.mark.parametrize(
    "layers",
    [
        tuple(MoeLayer(layer, 64, 8, 64) for layer in range(1, 16)),
        tuple(MoeLayer(layer, 64, 8, 64, always_on=1) for layer in range(16)),
        tuple(MoeLayer(layer, 64 if layer else 32, 8, 32) for layer in range(16)),
    ],
)
def test_blocks_that_the_formulas_do_not_know_are_refused(layers: tuple[MoeLayer, ...]):
    other = replace(OLMOE_1B_7B, moe_layers=layers)
    for cost in (active_parameters, bytes_per_token, flops_per_token):
        with pytest.raises(ValueError, match="blocks all have the same number of experts"):
            cost(other, 8)
    with pytest.raises(ValueError, match="blocks all have the same number of experts"):
        counted(other)


def test_a_router_that_can_choose_fewer_costs_the_same():
    limited = tuple(MoeLayer(layer, 64, 8, 16) for layer in range(16))
    other = replace(OLMOE_1B_7B, moe_layers=limited)
    assert active_parameters(other, 8) == active_parameters(OLMOE_1B_7B, 8)
