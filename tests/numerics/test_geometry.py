"""Geometry and its layers of experts: sizes as data, refused when they do not fit."""

from dataclasses import replace

import pytest

from olmoe_viz.numerics.geometry import MAX_LAYERS, OLMOE_1B_7B, Geometry, MoeLayer

LAYER = MoeLayer(layer=2, experts=8, trained_k=2, largest_k=4)


def test_olmoe_has_experts_in_every_block():
    assert OLMOE_1B_7B.layer_ids == tuple(range(16))
    assert OLMOE_1B_7B.moe_layers[3] == MoeLayer(3, experts=64, trained_k=8, largest_k=64)
    assert OLMOE_1B_7B.head_dim == 128


def test_layers_of_experts_are_named_by_their_place_among_all_blocks(geometry: Geometry):
    sparse = replace(geometry, layers=6, moe_layers=(LAYER, replace(LAYER, layer=5)))
    assert sparse.layer_ids == (2, 5)
    assert sparse.layers == 6


def test_layers_of_experts_are_part_of_what_makes_two_models_alike(geometry: Geometry):
    spelled_out = tuple(MoeLayer(layer, 8, 2, 8) for layer in range(3))
    assert replace(geometry, moe_layers=spelled_out) == geometry
    assert hash(replace(geometry, moe_layers=spelled_out)) == hash(geometry)
    assert replace(geometry, moe_layers=spelled_out[1:]) != geometry


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"layers": 0}, "layers must be a whole number from 1; it is 0"),
        ({"vocab": 1.5}, "vocab must be"),
        ({"hidden": True}, "hidden must be"),
        ({"context": None}, "context must be"),
        ({"trained_k": 65}, "64 experts cannot"),
        ({"heads": 3}, "cannot be split"),
        ({"kv_heads": 5}, "cannot share"),
        ({"moe_layers": (replace(LAYER, layer=16),)}, "in order and in the model"),
        ({"moe_layers": (LAYER, LAYER)}, "in order and in the model"),
        ({"moe_layers": (LAYER, replace(LAYER, layer=1))}, "in order and in the model"),
        ({"moe_layers": (replace(LAYER, experts=65),)}, "more than the model's 64 experts"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(change: dict[str, object], sentence: str):
    with pytest.raises(ValueError, match=sentence):
        replace(OLMOE_1B_7B, **change)


def test_the_number_of_layers_is_bounded_before_anything_is_made_of_it():
    sizes = {part: getattr(OLMOE_1B_7B, part) for part in vars(OLMOE_1B_7B)} | {"moe_layers": ()}
    assert len(Geometry(**sizes | {"layers": MAX_LAYERS}).moe_layers) == MAX_LAYERS
    with pytest.raises(ValueError, match="at most 1,000 layers"):
        Geometry(**sizes | {"layers": 10**15})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"layer": -1}, "layer must be a whole number from 0"),
        ({"experts": 0}, "experts must be"),
        ({"trained_k": 0}, "trained_k must be"),
        ({"largest_k": 2.0}, "largest_k must be"),
        ({"always_on": -1}, "always_on must be a whole number from 0"),
        ({"always_on": True}, "always_on must be"),
        ({"trained_k": 5}, "8 experts cannot have a trained k of 5 and a largest of 4"),
        ({"largest_k": 9}, "8 experts cannot have a trained k of 2 and a largest of 9"),
    ],
)
def test_a_layer_of_experts_that_does_not_fit_is_refused(change: dict[str, object], sentence: str):
    with pytest.raises(ValueError, match=sentence):
        replace(LAYER, **change)


def test_a_layer_may_have_experts_that_are_always_on():
    assert replace(LAYER, always_on=2).always_on == 2
    assert LAYER.always_on == 0
