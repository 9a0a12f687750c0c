from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from transformers import OlmoeForCausalLM

import olmoe_viz as ov
from olmoe_viz.engine import prompt
from olmoe_viz.models.catalogue import bundled_path
from olmoe_viz.models.model import Model
from olmoe_viz.policy import WEIGHTINGS
from tests.engine.tiny import KS, load_stock

TEXT = "the little Hund found 🙂 in the garden"


@pytest.mark.parametrize("k", KS)
def test_a_trace_has_the_stock_numbers(
    model: Model, stock: Callable[[int], OlmoeForCausalLM], k: int
) -> None:
    _check(ov.trace(model, TEXT, ov.RoutingPolicy(k), detail="full"), stock(k))


def test_the_bundled_model_too(bundled: Model) -> None:
    text = "Once upon a time there was a small dog"
    _check(
        ov.trace(bundled, text, ov.RoutingPolicy(16), detail="full"), load_stock(bundled_path(), 16)
    )


def _check(recorded: ov.Trace, stock: OlmoeForCausalLM) -> None:
    ids = torch.tensor(recorded.token_ids)[None]
    attended: list[torch.Tensor] = []
    chosen: list[torch.Tensor] = []
    # Removed one by one: transformers hangs hooks of its own on these modules, and keeps them.
    hooks = [
        hook
        for block in stock.model.layers
        for hook in (
            block.self_attn.register_forward_hook(lambda *values: attended.append(values[-1][0])),
            block.mlp.gate.register_forward_hook(lambda *values: chosen.extend(values[-1][1:])),
        )
    ]
    with torch.no_grad():
        run = stock(ids, output_router_logits=True, output_hidden_states=True)
        normed = stock.model.norm(torch.tensor(recorded.hidden_states[-1]))
    layers = recorded.geometry.layers
    _near(recorded.router_logits, torch.stack(run.router_logits))
    _near(recorded.hidden_states[:-1], torch.cat(run.hidden_states[:-1]))
    _near(normed.numpy(), run.hidden_states[-1][0])  # the stock model norms its last one
    _near(recorded.attention_outputs, torch.cat(attended[:layers]))
    _near(recorded.weights, torch.stack(chosen[: 2 * layers : 2]))
    np.testing.assert_array_equal(recorded.expert_ids, torch.stack(chosen[1 : 2 * layers : 2]))
    norms = np.linalg.norm(recorded.hidden_states, axis=-1)
    np.testing.assert_allclose(recorded.hidden_norms, norms, rtol=1e-5)
    final = run.logits[0, -1]
    top = final.topk(50)
    np.testing.assert_array_equal(recorded.next_ids, top.indices)
    _near(recorded.next_logits, top.values)
    assert len(recorded.next_tokens) == 50
    probabilities = final.double().softmax(-1)[top.indices].numpy()
    np.testing.assert_allclose(recorded.next_probabilities(), probabilities, rtol=1e-3)
    for hook in hooks:
        hook.remove()


def _near(ours: np.ndarray, theirs: torch.Tensor) -> None:
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs.numpy()).max() <= 1e-4 * theirs.abs().max()


@pytest.mark.parametrize("weighting", WEIGHTINGS)
@pytest.mark.parametrize("k", KS)
def test_experts_summed_from_the_files_are_the_blocks_output(
    model: Model, folder: Path, k: int, weighting: str
) -> None:
    policy, layer, token = ov.RoutingPolicy(k, weighting), 1, 4
    recorded = ov.trace(model, TEXT, policy, detail="full")
    ids, weights = recorded.expert_ids, recorded.weights
    prefix = f"model.layers.{layer}."
    read = _reader(folder)
    entering = recorded.hidden_states[layer, token] + recorded.attention_outputs[layer, token]
    scale = np.sqrt((entering.astype(float) ** 2).mean() + 1e-5)
    x = entering / scale * read(prefix + "post_attention_layernorm.weight")
    total = np.zeros(model.geometry.hidden)
    for expert, weight in zip(ids[layer, token], weights[layer, token], strict=True):
        part = f"{prefix}mlp.experts.{expert}."
        gate, up = read(part + "gate_proj.weight") @ x, read(part + "up_proj.weight") @ x
        total += weight * (read(part + "down_proj.weight") @ (gate / (1 + np.exp(-gate)) * up))
    output = recorded.hidden_states[layer + 1, token] - entering
    assert np.abs(total - output).max() <= 1e-4 * np.abs(output).max()


def _reader(folder: Path) -> Callable[[str], np.ndarray]:
    found: dict[str, np.ndarray] = {}
    for file in folder.glob("*.safetensors"):
        with safe_open(file, "np") as tensors:
            found |= {name: tensors.get_tensor(name).astype(float) for name in tensors.keys()}  # noqa: SIM118
    return found.__getitem__


def test_a_trace_says_where_it_is_from(model: Model, folder: Path, tmp_path: Path) -> None:
    recorded = ov.trace(model, TEXT)
    assert recorded.policy == ov.RoutingPolicy(8)
    origin = recorded.provenance
    assert (origin.model, origin.digest) == (str(folder), model.digest)
    assert (origin.dtype, origin.device) == ("float32", "cpu")
    assert origin.versions["torch"] == torch.__version__
    assert origin.seconds > 0
    assert recorded.hidden_states is None
    recorded.save(tmp_path / "run.safetensors")
    again = ov.Trace.load(tmp_path / "run.safetensors")
    np.testing.assert_array_equal(again.router_logits, recorded.router_logits)


def test_broken_characters_are_shown_by_their_bytes(model: Model) -> None:
    recorded = ov.trace(model, "a€b c")
    assert recorded.tokens == ("a", "‹E2›", "‹82›", "‹AC›", "b", " ", "c")


def test_ids_are_recorded_with_their_text(model: Model) -> None:
    by_text = ov.trace(model, TEXT)
    by_ids = ov.trace(model, by_text.token_ids)
    assert by_ids.text == TEXT
    np.testing.assert_array_equal(by_ids.router_logits, by_text.router_logits)


def test_a_text_as_long_as_the_context_is_read_whole(model: Model) -> None:
    ids = [token % 300 for token in range(7, 7 + model.geometry.context)]
    assert ov.trace(model, ids).router_logits.shape == (3, 96, 64)


def test_a_long_text_is_recorded_in_parts(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = ov.trace(model, TEXT, detail="full")
    tokens, told = len(whole.tokens), []
    monkeypatch.setattr(prompt, "PART", 5)
    parts = ov.trace(model, TEXT, detail="full", progress=lambda *done: told.append(done))
    assert told == [(done, tokens) for done in range(0, tokens, 5)]
    names = ("router_logits", "hidden_norms", "hidden_states", "attention_outputs")
    for name in (*names, "weights", "next_logits"):
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), atol=1e-4)
    np.testing.assert_array_equal(parts.expert_ids, whole.expert_ids)
    np.testing.assert_array_equal(parts.next_ids, whole.next_ids)


def test_a_run_can_be_ended_between_two_parts(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prompt, "PART", 5)

    def stop(done: int, _: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ov.trace(model, TEXT, progress=stop)
