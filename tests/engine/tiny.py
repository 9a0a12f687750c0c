"""A checkpoint of OLMoE's kind that is small enough to make in a test."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import OlmoeConfig, OlmoeForCausalLM, PreTrainedTokenizerFast

TEXTS = ["the little robot found a red ball in the garden", "der kleine Hund läuft", "🙂 für dich"]
KS = (1, 8, 16, 32, 64)
# As OLMoE's: a turn begins with its speaker's name, and the answer with a name alone.
CHAT_TEMPLATE = (
    "{{ eos_token }}{% for message in messages %}<|{{ message.role }}|>\n{{ message.content }}\n"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)


def write_checkpoint(folder: Path, chat_template: str | None = None, **changes: object) -> Path:
    """Write a random model with decisive routers, in several shards, and a byte-level tokenizer."""
    tokenizer = make_tokenizer()
    tokenizer.chat_template = chat_template
    settings = {
        "vocab_size": len(tokenizer) + 5,  # OLMoE too has more logits than tokens
        "hidden_size": 32,
        "intermediate_size": 16,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "num_experts": 64,
        "num_experts_per_tok": 8,
        "max_position_embeddings": 96,
        "initializer_range": 0.3,
        "bos_token_id": None,
        "eos_token_id": 0,
        "pad_token_id": 1,
    }
    torch.manual_seed(0)
    module = OlmoeForCausalLM(OlmoeConfig(**(settings | changes)))
    with torch.no_grad():
        for block in module.model.layers:
            block.mlp.gate.weight.mul_(2)
        for name, weight in module.named_parameters():
            if "norm" in name:  # all ones would hide a forgotten norm
                weight.uniform_(0.5, 1.5)
    module.save_pretrained(folder, max_shard_size="200KB")
    tokenizer.save_pretrained(folder)
    return folder


def make_tokenizer() -> PreTrainedTokenizerFast:
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<|endoftext|>", "<|padding|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(TEXTS, trainer)
    special = {"eos_token": "<|endoftext|>", "pad_token": "<|padding|>"}
    return PreTrainedTokenizerFast(tokenizer_object=backend, **special)


def load_stock(folder: Path, k: int, **options: object) -> OlmoeForCausalLM:
    """Load the checkpoint as transformers does, with `k` experts a token."""
    return OlmoeForCausalLM.from_pretrained(
        folder, num_experts_per_tok=k, dtype=torch.float32, **options
    ).eval()
