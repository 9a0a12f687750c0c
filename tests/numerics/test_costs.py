from dataclasses import replace
from types import SimpleNamespace

import pytest

from olmoe_viz.numerics.costs import (
    OLMOE_1B_7B,
    Geometry,
    active_parameters,
    bytes_per_token,
    flops_per_token,
    total_parameters,
)

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
    geometry = Geometry.from_config(config)
    assert total_parameters(geometry) == sum(weight.numel() for weight in module.parameters())
    assert geometry == Geometry(3, 6, 2, 24, 10, 4, kv_heads, 50, 32)


@pytest.mark.parametrize("k", [0, 65, [8] * 15 + [65], [8] * 15])
def test_a_k_outside_the_model_is_refused(k: object):
    with pytest.raises(ValueError, match=r"from 1 to 64|15 ks for 16 layers"):
        active_parameters(OLMOE_1B_7B, k)


def test_a_position_before_the_text_is_refused():
    with pytest.raises(ValueError, match="0 or more"):
        flops_per_token(OLMOE_1B_7B, 8, position=-1)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"layers": 0}, "layers must be"),
        ({"vocab": 1.5}, "vocab must be"),
        ({"trained_k": 65}, "64 experts cannot"),
        ({"heads": 3}, "cannot be split"),
        ({"kv_heads": 5}, "cannot share"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(change: dict[str, object], sentence: str):
    with pytest.raises(ValueError, match=sentence):
        replace(OLMOE_1B_7B, **change)


def test_geometry_reads_any_object_with_the_names_of_a_configuration():
    config = SimpleNamespace(
        num_hidden_layers=16,
        num_experts=64,
        num_experts_per_tok=8,
        hidden_size=2048,
        intermediate_size=1024,
        num_attention_heads=16,
        num_key_value_heads=16,
        vocab_size=50304,
        max_position_embeddings=4096,
    )
    assert Geometry.from_config(config) == OLMOE_1B_7B
    assert OLMOE_1B_7B.head_dim == 128
