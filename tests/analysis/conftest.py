"""A small random OLMoE with 64 experts, as this package loads it and as transformers does."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import OlmoeConfig, OlmoeForCausalLM, PreTrainedTokenizerFast

from olmoe_viz import RoutingPolicy, Trace, load_model, trace
from olmoe_viz.models.load import Model

TEXT = "Süß 🙂, said the robot."
END = "<|endoftext|>"


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a checkpoint of random weights, large enough that no two experts agree by chance."""
    folder = tmp_path_factory.mktemp("checkpoint")
    config = OlmoeConfig(
        vocab_size=260,
        hidden_size=32,
        intermediate_size=16,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        num_experts=64,
        num_experts_per_tok=8,
        max_position_embeddings=64,
        initializer_range=0.3,
        eos_token_id=256,
        pad_token_id=256,
    )
    torch.manual_seed(0)
    module = OlmoeForCausalLM(config)
    for name, weight in module.named_parameters():
        if "norm" in name:  # all ones would hide a forgotten norm
            torch.nn.init.uniform_(weight, 0.5, 1.5)
    module.save_pretrained(folder)
    _byte_tokenizer().save_pretrained(folder)
    return folder


def _byte_tokenizer() -> PreTrainedTokenizerFast:
    """Make a tokenizer of one token a byte."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Tokenizer(models.BPE({letter: i for i, letter in enumerate(letters)}, []))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=backend, eos_token=END)


@pytest.fixture(scope="session")
def model(checkpoint: Path) -> Model:
    return load_model(str(checkpoint), device="cpu", dtype="float32")


@pytest.fixture(scope="session")
def stock(checkpoint: Path) -> OlmoeForCausalLM:
    """Load the same weights as transformers does, with its plainest code."""
    module: OlmoeForCausalLM = OlmoeForCausalLM.from_pretrained(
        checkpoint,
        dtype=torch.float32,
        attn_implementation="eager",
        experts_implementation="eager",
    )
    return module.eval()


@pytest.fixture
def stock_at(stock: OlmoeForCausalLM) -> Iterator[object]:
    """Return a function that sets the stock model's k in every layer; undone afterwards."""
    routers = [block.mlp.gate for block in stock.model.layers]
    trained = [router.top_k for router in routers]

    def at(k: int) -> OlmoeForCausalLM:
        for router in routers:
            router.top_k = k
        return stock

    yield at
    for router, k in zip(routers, trained, strict=True):
        router.top_k = k


@pytest.fixture(scope="session")
def full(model: Model) -> Trace:
    return trace(model, TEXT, detail="full")


@pytest.fixture(scope="session")
def wide(model: Model) -> Trace:
    return trace(model, TEXT, RoutingPolicy(16), detail="full")
