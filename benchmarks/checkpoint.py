"""Write a checkpoint with random weights in OLMoE-1B-7B-0924's format and sizes, 14 GB in all.

    python -m benchmarks.checkpoint FOLDER [--layers 16] [--dtype bfloat16]

It has the files and tensor names that the real one has on the hub, so that `olmoe_viz` loads it by
its folder in the same way; the tokenizer is byte-level BPE in which a text is its bytes.
"""

import argparse
import json
from pathlib import Path

import torch
from huggingface_hub import split_torch_state_dict_into_shards
from safetensors.torch import save_file
from transformers import GenerationConfig

from benchmarks.random_model import GEOMETRIES, byte_level_tokenizer, config_of, geometry_of
from olmoe_viz.numerics.geometry import Geometry

SHARD = "5GB"  # as on the hub


def main(arguments: list[str] | None = None) -> None:
    """Write the folder and say how large it is."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--geometry", choices=GEOMETRIES, default="olmoe-1b-7b")
    parser.add_argument("--layers", type=int)
    parser.add_argument("--dtype", choices=("bfloat16", "float32"), default="bfloat16")
    parser.add_argument("--shard", default=SHARD, help="the largest size of a file")
    options = parser.parse_args(arguments)
    geometry = geometry_of(options.geometry, options.layers)
    size = write(options.folder, geometry, getattr(torch, options.dtype), options.shard)
    print(f"{options.folder}: {size / 1e9:.3f} GB of weights")


def write(folder: Path, geometry: Geometry, dtype: torch.dtype, shard: str = SHARD) -> int:
    """Write the checkpoint, one shard after the other; return the bytes of its weights."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = byte_level_tokenizer(geometry.vocab)
    tokenizer.save_pretrained(folder)
    ends = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    config = config_of(geometry)
    config.update({**ends, "architectures": ["OlmoeForCausalLM"], "dtype": dtype})
    config.save_pretrained(folder)
    GenerationConfig(**ends).save_pretrained(folder)
    shapes = tensor_shapes(geometry)
    planned = {
        name: torch.empty(shape, dtype=dtype, device="meta") for name, shape in shapes.items()
    }
    split = split_torch_state_dict_into_shards(planned, max_shard_size=shard)
    draw = torch.Generator().manual_seed(0)
    for file, names in split.filename_to_tensors.items():
        tensors = {name: _random(shapes[name], dtype, draw) for name in names}
        save_file(tensors, folder / file, metadata={"format": "pt"})
    if split.is_sharded:
        index = {"metadata": split.metadata, "weight_map": split.tensor_to_filename}
        text = json.dumps(index, indent=2) + "\n"
        (folder / "model.safetensors.index.json").write_text(text, encoding="utf-8")
    return int(split.metadata["total_size"])


def tensor_shapes(geometry: Geometry) -> dict[str, tuple[int, ...]]:
    """Return name and shape of every tensor, as OLMoE's checkpoints on the hub have them."""
    hidden, inner, vocab = geometry.hidden, geometry.intermediate, geometry.vocab
    key_value = geometry.kv_heads * geometry.head_dim
    block: dict[str, tuple[int, ...]] = {
        "input_layernorm": (hidden,),
        "post_attention_layernorm": (hidden,),
        "self_attn.q_norm": (hidden,),
        "self_attn.k_norm": (key_value,),
        "self_attn.q_proj": (hidden, hidden),
        "self_attn.k_proj": (key_value, hidden),
        "self_attn.v_proj": (key_value, hidden),
        "self_attn.o_proj": (hidden, hidden),
        "mlp.gate": (geometry.experts, hidden),
    }
    for expert in range(geometry.experts):
        block |= {f"mlp.experts.{expert}.{name}_proj": (inner, hidden) for name in ("gate", "up")}
        block[f"mlp.experts.{expert}.down_proj"] = (hidden, inner)
    shapes = {"model.embed_tokens": (vocab, hidden), "model.norm": (hidden,)}
    for layer in range(geometry.layers):
        shapes |= {f"model.layers.{layer}.{name}": shape for name, shape in block.items()}
    shapes["lm_head"] = (vocab, hidden)
    return {f"{name}.weight": shape for name, shape in shapes.items()}


def _random(shape: tuple[int, ...], dtype: torch.dtype, draw: torch.Generator) -> torch.Tensor:
    """Return ones for a norm, and a normal distribution of width 0.02 for a matrix."""
    if len(shape) == 1:
        return torch.ones(shape, dtype=dtype)
    return torch.empty(shape, dtype=dtype).normal_(0, 0.02, generator=draw)


if __name__ == "__main__":
    main()
