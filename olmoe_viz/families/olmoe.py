"""OLMoE (arXiv 2409.02060) as transformers builds it: the only file that knows its modules."""

from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast

from olmoe_viz.families.base import Block, Parts, Site
from olmoe_viz.families.gate import GateRule
from olmoe_viz.families.tokens import TokenBytes, is_byte_level
from olmoe_viz.numerics.costs import Costs
from olmoe_viz.numerics.geometry import Geometry

# Options that transformers would follow and this project's formulas would not.
_NOT_OLMOE = {
    "norm_topk_prob": "renormalizes its routing weights (norm_topk_prob is true), which OLMoE does "
    "not. Its routing would be shown wrongly",
    "tie_word_embeddings": "uses one matrix for both embeddings (tie_word_embeddings is true), "
    "which OLMoE does not. Its parameters would be counted wrongly",
    "attention_bias": "adds biases in its attention (attention_bias is true), which OLMoE does "
    "not. Its parameters would be counted wrongly",
}
# Softmax over all experts in float32; the k largest weigh what they are, not renormalized.
RULE = GateRule()


class Olmoe:
    """The adapter of `OlmoeForCausalLM`."""

    model_type = "olmoe"

    def refuse(self, config: Any) -> str | None:
        """Say why a configuration of this type cannot be shown, as "it ..."; None if it can."""
        return next(
            (words for option, words in _NOT_OLMOE.items() if getattr(config, option)), None
        )

    def geometry(self, config: Any) -> Geometry:
        """Return the sizes; ValueError when they do not fit together."""
        return Geometry(
            layers=config.num_hidden_layers,
            experts=config.num_experts,
            trained_k=config.num_experts_per_tok,
            hidden=config.hidden_size,
            intermediate=config.intermediate_size,
            heads=config.num_attention_heads,
            kv_heads=config.num_key_value_heads,
            vocab=config.vocab_size,
            context=config.max_position_embeddings,
        )

    def sites(self, module: nn.Module) -> tuple[Site, ...]:
        """Return the layers of experts in order: every block has one."""
        facts = self.geometry(module.config).moe_layers
        return tuple(
            Site(
                facts=each,
                rule=RULE,
                router=block.mlp.gate,
                experts=block.mlp.experts,
                decoder=block,
                attention=block.self_attn,
            )
            for each, block in zip(facts, _model(module).layers, strict=True)
        )

    def combine(self, site: Site, router_input: Tensor, ids: Tensor, weights: Tensor) -> Tensor:
        """Return what a layer of experts adds, [tokens, hidden]: the weighted sum alone."""
        added: Tensor = site.experts(router_input, ids, weights)
        return added

    def readout(self, module: nn.Module, hidden: Tensor) -> Tensor:
        """Return float32 logits [..., vocab] of the residual stream [..., hidden]."""
        scores: Tensor = module.lm_head(_model(module).norm(hidden))  # type: ignore[operator]
        return scores.float()

    def costs(self, module: nn.Module) -> Costs:
        """Count the parameters of a loaded model."""
        experts = sum(_count(site.experts) for site in self.sites(module))
        return Costs(
            total=_count(module), experts=experts, embedding=_count(_model(module).embed_tokens)
        )

    def token_bytes(self, tokenizer: PreTrainedTokenizerFast) -> TokenBytes | None:
        """Return the bytes of the tokenizer's tokens; None unless it is byte-level BPE."""
        return TokenBytes(tokenizer) if is_byte_level(tokenizer) else None

    def parts(self, module: nn.Module) -> Parts:
        """Return the model's parts."""
        model = _model(module)
        return Parts(
            embed=model.embed_tokens,
            rotary=model.rotary_emb,
            blocks=tuple(_block(block, model.config) for block in model.layers),
            norm=model.norm,
            head=module.lm_head,  # type: ignore[arg-type]
        )


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _model(module: nn.Module) -> Any:
    return module.model


def _block(block: Any, config: Any) -> Block:
    attention = block.self_attn
    return Block(
        norm_in=block.input_layernorm,
        norm_mid=block.post_attention_layernorm,
        norm_q=attention.q_norm,
        norm_k=attention.k_norm,
        query=attention.q_proj,
        key=attention.k_proj,
        value=attention.v_proj,
        output=attention.o_proj,
        heads=config.num_attention_heads,
        kv_heads=config.num_key_value_heads,
        head_dim=attention.head_dim,
        scaling=attention.scaling,
        limit=config.clip_qkv,
        epsilon=config.rms_norm_eps,
    )
