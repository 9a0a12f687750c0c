import pytest
import torch
from transformers import OlmoeConfig
from transformers.models.olmoe.modeling_olmoe import OlmoeExperts

from olmoe_viz.engine import experts as engine


@pytest.fixture(scope="module")
def stock() -> OlmoeExperts:
    config = OlmoeConfig(hidden_size=24, intermediate_size=10, num_experts=16)
    config._experts_implementation = "eager"
    experts = OlmoeExperts(config)
    torch.manual_seed(1)
    for weight in experts.parameters():
        torch.nn.init.normal_(weight).requires_grad_(requires_grad=False)
    return experts


def draw(tokens: int, k: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    hidden = torch.randn(tokens, 24)
    ids = torch.rand(tokens, 16).topk(k).indices
    return hidden, ids, torch.rand(tokens, k) + 0.1


@pytest.mark.parametrize("k", [1, 4, 12, 16])
@pytest.mark.parametrize("tokens", [1, 2, 16, 17, 600])
def test_the_sum_is_the_stock_experts_sum(stock: OlmoeExperts, tokens: int, k: int) -> None:
    inputs = draw(tokens, k)
    torch.testing.assert_close(engine.mix(stock, *inputs), stock(*inputs), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("tokens", [1, 3, 20])
def test_with_every_weight_zero_nothing_is_added(stock: OlmoeExperts, tokens: int) -> None:
    hidden, ids, weights = draw(tokens, 4)
    assert not engine.mix(stock, hidden, ids, 0 * weights).any()


@pytest.mark.parametrize("way", [engine._dense, engine._grouped])
def test_every_way_skips_weights_of_zero(stock: OlmoeExperts, way: object) -> None:
    hidden, ids, weights = draw(4, 16)
    weights *= torch.arange(16) < torch.tensor([[1], [3], [16], [8]])
    expected = torch.cat(
        [
            stock(hidden[r, None], ids[r, None, :k], weights[r, None, :k])
            for r, k in enumerate([1, 3, 16, 8])
        ]
    )
    torch.testing.assert_close(way(stock, hidden, ids, weights), expected, rtol=1e-4, atol=1e-4)
