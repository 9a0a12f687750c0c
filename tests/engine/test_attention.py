"""Attention weights against what stock transformers reports with its eager attention."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from transformers import OlmoeConfig, OlmoeForCausalLM

from olmoe_viz import InputError, Trace
from olmoe_viz.analysis.attention import attention_weights
from olmoe_viz.models.load import Model


@pytest.fixture(scope="module")
def stock_weights(stock: OlmoeForCausalLM, full: Trace) -> list[np.ndarray]:
    with torch.no_grad():
        output = stock(torch.tensor(full.token_ids).unsqueeze(0), output_attentions=True)
    return [weights[0].numpy() for weights in output.attentions]


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_weights_equal_stock(
    model: Model, full: Trace, stock_weights: list[np.ndarray], layer: int
):
    weights = attention_weights(model, full, layer)
    tokens = len(full.tokens)
    assert weights.dtype == np.float32
    assert weights.shape == (4, tokens, tokens)
    np.testing.assert_allclose(weights, stock_weights[layer], atol=2e-6)
    np.testing.assert_allclose(weights.sum(axis=-1), 1, atol=1e-6)
    assert not np.triu(weights, 1).any()


@pytest.mark.parametrize("tokens", [[2], [0], [3, 1, 1], range(1, 4), []])
def test_rows_of_some_tokens_are_those_of_all(
    model: Model, full: Trace, stock_weights: list[np.ndarray], tokens: Sequence[int]
):
    rows = attention_weights(model, full, 1, tokens)
    assert rows.shape == (4, len(tokens), len(full.tokens))
    np.testing.assert_allclose(rows, attention_weights(model, full, 1)[:, list(tokens)], atol=1e-6)
    np.testing.assert_allclose(rows, stock_weights[1][:, list(tokens)], atol=2e-6)
    for row, token in zip(rows.transpose(1, 0, 2), tokens, strict=True):
        assert not row[:, token + 1 :].any()


def test_clipping_as_the_config_asks(
    model: Model, full: Trace, stock: OlmoeForCausalLM, monkeypatch: pytest.MonkeyPatch
):
    free = attention_weights(model, full, 0)
    for config in (model.module.config, stock.config):
        assert isinstance(config, OlmoeConfig)
        monkeypatch.setattr(config, "clip_qkv", 0.5)
    with torch.no_grad():
        output = stock(torch.tensor(full.token_ids).unsqueeze(0), output_attentions=True)
    clipped = attention_weights(model, full, 0)
    np.testing.assert_allclose(clipped, output.attentions[0][0].numpy(), atol=2e-6)
    assert np.abs(clipped - free).max() > 0.01


def test_a_layer_that_is_not_there_is_refused(model: Model, full: Trace):
    with pytest.raises(InputError, match="layer must be from 0 to 2"):
        attention_weights(model, full, -1)


@pytest.mark.parametrize("token", [-1, 99])
def test_a_token_that_is_not_there_is_refused(model: Model, full: Trace, token: int):
    with pytest.raises(InputError, match="token must be from 0 to"):
        attention_weights(model, full, 0, [0, token])
