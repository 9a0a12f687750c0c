from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import cpu_offload
from transformers import OlmoeConfig, OlmoeForCausalLM
from transformers.models.olmoe.modeling_olmoe import OlmoeTopKRouter

import olmoe_viz as ov
from olmoe_viz.engine.router import PolicyRouter, install_routers, routing
from olmoe_viz.models.load import Model
from olmoe_viz.policy import WEIGHTINGS
from tests.engine.tiny import KS, load_stock

IDS = torch.tensor([[40, 7, 99, 200, 12, 300, 41]])
Stock = Callable[[int], OlmoeForCausalLM]


def close(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    assert (ours - theirs).abs().max() <= 1e-4 * theirs.abs().max()


@torch.no_grad()
def run(model: Model, policies: list[ov.RoutingPolicy], ids: torch.Tensor = IDS) -> torch.Tensor:
    with routing(policies):
        return model.module(ids).logits


@pytest.mark.parametrize("k", KS)
def test_logits_are_stock_logits_at_that_k(model: Model, stock: Stock, k: int) -> None:
    with torch.no_grad():
        expected = stock(k)(IDS).logits
    close(run(model, [ov.RoutingPolicy(k)]), expected)


def test_a_batch_of_five_ks_is_five_solo_runs(model: Model, stock: Stock) -> None:
    together = run(model, [ov.RoutingPolicy(k) for k in KS], IDS.expand(len(KS), -1))
    assert not torch.allclose(together[0], together[1], atol=0.1)
    for row, k in zip(together, KS, strict=True):
        with torch.no_grad():
            close(row[None], stock(k)(IDS).logits)


def test_without_a_policy_the_model_is_as_trained(model: Model, stock: Stock) -> None:
    with torch.no_grad():
        close(model.module(IDS).logits, stock(8)(IDS).logits)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_router_returns_exactly_what_the_stock_router_does(
    model: Model, dtype: torch.dtype
) -> None:
    config = OlmoeConfig.from_dict(model.module.config.to_dict() | {"num_experts_per_tok": 16})
    stock = OlmoeTopKRouter(config).to(dtype)
    torch.nn.init.normal_(stock.weight)
    router = PolicyRouter(stock, layer=0, layers=3)
    hidden = torch.randn(2, 5, config.hidden_size, dtype=dtype)
    with torch.no_grad(), routing([ov.RoutingPolicy(16)]):
        for ours, theirs in zip(router(hidden), stock(hidden), strict=True):
            assert ours.dtype == theirs.dtype
            assert torch.equal(ours, theirs)


@pytest.mark.parametrize("weighting", WEIGHTINGS)
@pytest.mark.parametrize("k", [1, 3, 8, 20, 64])
def test_weights_follow_the_formula_of_each_weighting(model: Model, weighting: str, k: int) -> None:
    beside = [ov.RoutingPolicy(5), ov.RoutingPolicy(30, "renormalized")]
    policies = [*beside, ov.RoutingPolicy((4, k, 4), weighting), ov.RoutingPolicy(2)]
    hidden = torch.randn(len(policies) * 6, model.geometry.hidden)
    recorder: dict[int, torch.Tensor] = {}
    with torch.no_grad(), routing(policies, recorder):
        _, weights, ids = model.module.model.layers[1].mlp.gate(hidden)
    logits = recorder[1][12:18].numpy()
    expected_ids, expected = ov.routing.select(
        ov.routing.probabilities(logits[None]), ov.RoutingPolicy(k, weighting), trained_k=8
    )
    np.testing.assert_array_equal(ids[12:18, :k].numpy(), expected_ids[0])
    np.testing.assert_allclose(weights[12:18, :k].numpy(), expected[0], rtol=1e-5)
    assert not weights[12:18, k:].any()


def test_each_layer_can_have_its_own_k(model: Model) -> None:
    recorder: dict[int, torch.Tensor] = {}
    with torch.no_grad(), routing([ov.RoutingPolicy((1, 8, 64))], recorder):
        chosen = [block.mlp.gate(torch.randn(2, 32))[2] for block in model.module.model.layers]
    assert [ids.shape[1] for ids in chosen] == [1, 8, 64]
    assert sorted(recorder) == [0, 1, 2]


@pytest.mark.parametrize(
    ("policy", "words"),
    [(ov.RoutingPolicy(65), "from 1 to 64"), (ov.RoutingPolicy((8, 8)), "the model has 3")],
)
def test_a_policy_that_does_not_fit_is_refused(
    model: Model, policy: ov.RoutingPolicy, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        run(model, [policy])


def test_rows_must_divide_the_tokens(model: Model) -> None:
    with pytest.raises(ValueError, match="7 tokens cannot be split over 2"):
        run(model, [ov.RoutingPolicy(8), ov.RoutingPolicy(9)])
    with pytest.raises(ValueError, match="a policy for each row"), routing([]):
        pass


def test_the_request_ends_with_its_block_even_by_an_error(model: Model) -> None:
    before = run(model, [ov.RoutingPolicy(8)])
    with pytest.raises(KeyError), routing([ov.RoutingPolicy(64)]):
        raise KeyError
    with torch.no_grad():
        assert torch.equal(model.module(IDS).logits, before)


def test_nothing_on_the_model_changes(model: Model, folder: Path) -> None:
    stock = load_stock(folder, 8)
    names = {name: value.clone() for name, value in model.module.state_dict().items()}
    assert names.keys() == stock.state_dict().keys()
    ov.compare(model, "the robot", [ov.RoutingPolicy(64), ov.RoutingPolicy(2)], 3)
    ov.trace(model, "the robot", ov.RoutingPolicy(32), detail="full")
    assert all(torch.equal(value, names[name]) for name, value in model.module.state_dict().items())
    assert [block.mlp.gate.trained_k for block in model.module.model.layers] == [8, 8, 8]
    assert model.module.config.num_experts_per_tok == 8
    assert not any(module._forward_hooks for module in model.module.modules())


def test_four_threads_with_different_ks_get_their_own_results(model: Model) -> None:
    texts = {1: "the red ball", 8: "the robot found", 16: "der Hund", 64: "in the garden 🙂"}
    alone = {k: _numbers(model, text, k) for k, text in texts.items()}

    def work(k: int) -> bool:
        runs = (_numbers(model, texts[k], k) for _ in range(50))
        return all(np.allclose(ours, alone[k], rtol=1e-4, atol=1e-4) for ours in runs)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, texts)) == [True] * 4


def _numbers(model: Model, text: str, k: int) -> np.ndarray:
    policy = ov.RoutingPolicy(k)
    recorded = ov.trace(model, text, policy)
    written = ov.compare(model, text, [policy, ov.RoutingPolicy(24)], 3)[0]
    parts = [recorded.router_logits, recorded.next_logits, written.router_logits, written.logprobs]
    return np.concatenate([part.ravel() for part in parts])


def test_stock_generate_and_router_logits_still_work_on_the_model(
    model: Model, stock: Stock
) -> None:
    with torch.no_grad():
        ours = model.module(IDS, output_router_logits=True).router_logits
        theirs = stock(8)(IDS, output_router_logits=True).router_logits
        close(torch.stack(ours), torch.stack(theirs))
        with routing([ov.RoutingPolicy(32)]):
            written = model.module.generate(IDS, max_new_tokens=5, do_sample=False)
        assert torch.equal(written, stock(32).generate(IDS, max_new_tokens=5, do_sample=False))


def test_weights_that_accelerate_keeps_elsewhere_are_brought_in(model: Model, folder: Path) -> None:
    module = cpu_offload(load_stock(folder, 8), execution_device=torch.device("cpu"))
    assert module.model.layers[0].mlp.gate.weight.is_meta
    install_routers(module)
    parts = {name: getattr(model, name) for name in ("name", "revision", "digest", "tokenizer")}
    parts |= {name: getattr(model, name) for name in ("geometry", "device", "dtype")}
    offloaded = Model(module=module, **parts)
    for k in (4, 64):
        ours, theirs = (ov.trace(m, "the ball", ov.RoutingPolicy(k)) for m in (offloaded, model))
        np.testing.assert_allclose(ours.router_logits, theirs.router_logits, atol=1e-4)
        np.testing.assert_allclose(ours.next_logits, theirs.next_logits, atol=1e-4)


def test_a_model_with_renormalized_weights_is_refused(folder: Path) -> None:
    module = OlmoeForCausalLM.from_pretrained(folder, norm_topk_prob=True)
    with pytest.raises(ValueError, match="renormalizes"):
        install_routers(module)
