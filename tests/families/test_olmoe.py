"""The adapter of OLMoE: sizes from a configuration, its layers of experts, and its parameters."""

from pathlib import Path

import pytest
import torch
from transformers import OlmoeConfig

from olmoe_viz.families import FAMILIES
from olmoe_viz.families.olmoe import Olmoe
from olmoe_viz.numerics import costs
from olmoe_viz.numerics.geometry import OLMOE_1B_7B
from tests.engine.tiny import load_stock, make_tokenizer, write_checkpoint

CONFIG = {
    "num_hidden_layers": 16,
    "num_experts": 64,
    "num_experts_per_tok": 8,
    "hidden_size": 2048,
    "intermediate_size": 1024,
    "num_attention_heads": 16,
    "num_key_value_heads": 16,
    "vocab_size": 50_304,
    "max_position_embeddings": 4096,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("tiny"))


def test_the_sizes_are_those_of_the_configuration() -> None:
    assert FAMILIES["olmoe"].geometry(OlmoeConfig(**CONFIG)) == OLMOE_1B_7B
    assert OLMOE_1B_7B.layer_ids == tuple(range(16))
    with pytest.raises(ValueError, match="trained k of 65"):
        Olmoe().geometry(OlmoeConfig(**CONFIG | {"num_experts_per_tok": 65}))


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ({"norm_topk_prob": True}, "renormalizes its routing weights"),
        ({"tie_word_embeddings": True}, "one matrix for both embeddings"),
        ({"attention_bias": True}, "biases in its attention"),
        ({}, None),
    ],
)
def test_what_would_be_shown_wrongly_is_refused(option: dict[str, bool], words: str | None) -> None:
    refused = Olmoe().refuse(OlmoeConfig(**CONFIG | option))
    assert refused is None if words is None else words in str(refused)


def test_parameters_are_counted_as_the_formulas_count_them(folder: Path) -> None:
    module = load_stock(folder, 8)
    geometry = Olmoe().geometry(module.config)
    counted = Olmoe().costs(module)
    assert counted == costs.counted(geometry)
    assert counted.total == sum(each.numel() for each in module.parameters())


@torch.inference_mode()
def test_a_block_adds_what_its_adapter_says(folder: Path) -> None:
    module = load_stock(folder, 8)
    for site in Olmoe().sites(module):
        inputs = torch.randn(5, module.config.hidden_size)
        _, weights, ids = site.router(inputs)
        added = Olmoe().combine(site, inputs, ids, weights)
        torch.testing.assert_close(added, site.decoder.mlp(inputs[None])[0])


@torch.inference_mode()
def test_the_readout_is_the_stock_logits(folder: Path) -> None:
    module, ids = load_stock(folder, 8), torch.tensor([[5, 7, 9]])
    hidden: list[torch.Tensor] = []
    module.model.layers[-1].register_forward_hook(lambda *values: hidden.append(values[-1]))
    expected = module(ids).logits
    torch.testing.assert_close(Olmoe().readout(module, hidden[0]), expected)


def test_only_byte_level_tokenizers_are_understood() -> None:
    tokenizer = make_tokenizer()
    table = Olmoe().token_bytes(tokenizer)
    assert table is not None
    ids = tokenizer("für 🙂").input_ids
    assert b"".join(map(table.of, ids)) == "für 🙂".encode()
    tokenizer.backend_tokenizer.decoder = None
    assert Olmoe().token_bytes(tokenizer) is None
    assert table.text(ids) == "für 🙂"
