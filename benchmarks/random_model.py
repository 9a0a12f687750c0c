"""Models of OLMoE's kind with random weights: what speed needs of a model, without a download."""

import copy
from dataclasses import replace

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoModelForCausalLM, OlmoeConfig, PreTrainedTokenizerFast

from olmoe_viz.models.load import ready
from olmoe_viz.models.model import Model
from olmoe_viz.numerics.geometry import OLMOE_1B_7B, Geometry

# The tiny one is for tests, and to try a command.
GEOMETRIES = {
    "olmoe-1b-7b": OLMOE_1B_7B,
    "tiny": Geometry(
        layers=4,
        experts=64,
        trained_k=8,
        hidden=64,
        intermediate=32,
        heads=4,
        kv_heads=4,
        vocab=512,
        context=256,
    ),
}
END, PADDING = "<|endoftext|>", "<|padding|>"


def geometry_of(name: str, layers: int | None = None) -> Geometry:
    """Return the geometry of that name, with as many layers as asked for."""
    geometry = GEOMETRIES[name]
    return geometry if layers is None else replace(geometry, layers=layers, moe_layers=())


def config_of(geometry: Geometry) -> OlmoeConfig:
    """Return the configuration of a checkpoint of OLMoE-1B-7B-0924's kind, in these sizes."""
    return OlmoeConfig(
        vocab_size=geometry.vocab,
        hidden_size=geometry.hidden,
        intermediate_size=geometry.intermediate,
        num_hidden_layers=geometry.layers,
        num_attention_heads=geometry.heads,
        num_key_value_heads=geometry.kv_heads,
        num_experts=geometry.experts,
        num_experts_per_tok=geometry.trained_k,
        max_position_embeddings=geometry.context,
        norm_topk_prob=False,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=None,  # nothing ends a text early, so that all runs write equally many tokens
        pad_token_id=1,
    )


def byte_level_tokenizer(vocab: int) -> PreTrainedTokenizerFast:
    """Return a byte-level BPE tokenizer with `vocab` entries, of which texts use the 256 bytes.

    The others merge two bytes each, in order, so that every id stands for some bytes.
    """
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    pairs = [(first, second) for first in letters for second in letters]
    merges = pairs[: max(vocab - len(letters) - 2, 0)]
    names = [END, PADDING, *letters, *(first + second for first, second in merges)]
    # Pairs are listed for their ids alone: with merges that nothing uses, a text stays its bytes.
    backend = Tokenizer(models.BPE({name: id_ for id_, name in enumerate(names)}, []))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=backend, eos_token=END, pad_token=PADDING)


def random_model(geometry: Geometry, device: torch.device, dtype: torch.dtype) -> Model:
    """Return a model with random weights (normal, 0.02), made where it will run."""
    torch.manual_seed(0)
    with torch.device(device):
        module = AutoModelForCausalLM.from_config(
            config_of(geometry), dtype=dtype, attn_implementation="sdpa"
        ).eval()
    tokenizer = byte_level_tokenizer(geometry.vocab)
    return ready("random weights", (None, "random:0"), module, tokenizer, device)


def endless(model: Model) -> Model:
    """Return the model with a module of its own, in which no token ends a text.

    The weights are shared. Benchmarks need equally many tokens of every run.
    """
    module = private_copy(model.module)
    module.config.eos_token_id = module.generation_config.eos_token_id = None
    return replace(model, module=module)


def private_copy(module: torch.nn.Module) -> torch.nn.Module:
    """Copy a module with all its settings, sharing its weights."""
    shared = [*module.parameters(), *module.buffers()]
    return copy.deepcopy(module, {id(tensor): tensor for tensor in shared})
