"""What is recorded is what ran, also where two experts are equal to the last bit."""

import numpy as np
import pytest
import torch
from transformers import OlmoeForCausalLM

import olmoe_viz as ov
from olmoe_viz.models.model import Model
from tests.engine.tiny import make_tokenizer, write_checkpoint

TEXT = "the little Hund found 🙂 in the garden"
EXPERTS = 64


@pytest.fixture(scope="module")
def tied(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A bfloat16 model in whose routers every expert has a twin with the same row."""
    folder = write_checkpoint(tmp_path_factory.mktemp("tied"))
    module = OlmoeForCausalLM.from_pretrained(folder, dtype=torch.bfloat16)
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for block in module.model.layers:
            pairs = torch.randperm(EXPERTS, generator=draw).view(2, -1)
            block.mlp.gate.weight[pairs[0]] = block.mlp.gate.weight[pairs[1]]
    module.save_pretrained(folder / "tied")
    make_tokenizer().save_pretrained(folder / "tied")
    return ov.load_model(str(folder / "tied"), device="cpu", dtype="bfloat16")


@pytest.mark.parametrize("k", range(1, EXPERTS + 1))
def test_ties_at_every_cutoff_go_to_the_lower_id(tied: Model, k: int) -> None:
    run = ov.trace(tied, TEXT, ov.RoutingPolicy(k))
    scores = torch.from_numpy(run.router_logits.copy()).softmax(-1).numpy()
    order = np.argsort(-scores, axis=-1, kind="stable")
    np.testing.assert_array_equal(run.expert_ids, order[..., :k])
    falling = np.take_along_axis(scores, order, axis=-1)
    if k % 2:  # pairs are whole at even cutoffs
        assert (falling[..., k - 1] == falling[..., k]).any()
    rounded = torch.from_numpy(falling[..., :k].copy()).to(torch.bfloat16).float().numpy()
    np.testing.assert_array_equal(run.weights, rounded)


@pytest.mark.parametrize("k", [1, 3, 8, 9])
def test_recorded_ids_and_weights_make_the_blocks_output(tied: Model, k: int) -> None:
    """Summed from the checkpoint's own matrices in float64; the pass rounds to bfloat16."""
    run = ov.trace(tied, TEXT, ov.RoutingPolicy(k), detail="full")
    for layer, block in enumerate(tied.module.model.layers):
        gate_up = block.mlp.experts.gate_up_proj.double()
        down = block.mlp.experts.down_proj.double()
        entering = run.hidden_states[layer] + run.attention_outputs[layer]
        normed = block.post_attention_layernorm(torch.from_numpy(entering).to(torch.bfloat16))
        x, total = normed.double(), torch.zeros(len(run.tokens), tied.geometry.hidden).double()
        for token in range(len(run.tokens)):
            for expert, weight in zip(
                run.expert_ids[layer, token].tolist(), run.weights[layer, token], strict=True
            ):
                gate, up = (gate_up[expert] @ x[token]).chunk(2)
                total[token] += float(weight) * (
                    down[expert] @ (torch.nn.functional.silu(gate) * up)
                )
        added = run.hidden_states[layer + 1] - entering
        scale = np.abs(run.hidden_states[layer + 1]).max()
        assert np.abs(total.detach().numpy() - added).max() <= 2e-2 * scale


def test_without_ties_the_experts_are_those_of_the_stock_router(tied: Model) -> None:
    module = OlmoeForCausalLM.from_pretrained(tied.name, dtype=torch.bfloat16).eval()
    run = ov.trace(tied, TEXT, ov.RoutingPolicy(8))
    chosen: list[torch.Tensor] = []
    for block in module.model.layers:
        block.mlp.gate.register_forward_hook(lambda *values: chosen.append(values[-1][2]))
    with torch.no_grad():
        logits = module(
            torch.from_numpy(run.token_ids.copy())[None], output_router_logits=True
        ).router_logits
    compared = 0
    for layer, (ids, theirs) in enumerate(zip(chosen, logits, strict=True)):
        ours = run.router_logits[layer]
        falling = -np.sort(-ours, axis=-1)
        same = (theirs.float().numpy() == ours).all(axis=-1)
        clear = same & (falling[:, 7] != falling[:, 8])
        compared += clear.sum()
        for token in np.flatnonzero(clear):
            assert set(ids[token].tolist()) == set(run.expert_ids[layer, token].tolist())
    assert compared > 0
