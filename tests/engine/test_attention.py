"""Attention weights against what stock transformers reports with its eager attention."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import OlmoeConfig, OlmoeForCausalLM

from olmoe_viz import InputError, Trace
from olmoe_viz.engine.engine import Ask
from olmoe_viz.engine.local import LocalEngine
from olmoe_viz.models.model import Model
from olmoe_viz.requests import AttentionRequest
from tests.engine.tiny import load_stock


@pytest.fixture(scope="module")
def eager(folder: Path) -> OlmoeForCausalLM:
    return load_stock(folder, 8, attn_implementation="eager")


def all_rows(full: Trace, layer: int) -> AttentionRequest:
    return AttentionRequest(full.request, layer, 0, len(full.tokens))


def stock_weights(eager: OlmoeForCausalLM, full: Trace) -> list[np.ndarray]:
    with torch.no_grad():
        output = eager(torch.tensor(full.token_ids).unsqueeze(0), output_attentions=True)
    return [weights[0].numpy() for weights in output.attentions]


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_weights_equal_stock(ask: Ask, full: Trace, eager: OlmoeForCausalLM, layer: int):
    weights = ask(all_rows(full, layer)).weights
    tokens = len(full.tokens)
    assert weights.dtype == np.float32
    assert weights.shape == (4, tokens, tokens)
    np.testing.assert_allclose(weights, stock_weights(eager, full)[layer], atol=2e-6)
    np.testing.assert_allclose(weights.sum(axis=-1), 1, atol=1e-6)
    assert not np.triu(weights, 1).any()


@pytest.mark.parametrize(
    ("first", "stop", "seen_from"), [(2, 3, 0), (0, 1, 0), (1, 4, 0), (5, 8, 2), (2, 6, 4)]
)
def test_rows_of_some_tokens_are_those_of_all(
    ask: Ask, full: Trace, first: int, stop: int, seen_from: int
):
    part = ask(AttentionRequest(full.request, 1, first, stop, seen_from)).weights
    whole = ask(all_rows(full, 1)).weights
    assert part.shape == (4, stop - first, stop - seen_from)
    np.testing.assert_allclose(part, whole[:, first:stop, seen_from:stop], atol=1e-6)
    for place, row in enumerate(part.transpose(1, 0, 2), start=first):
        assert not row[:, max(place + 1 - seen_from, 0) :].any()


def test_clipping_as_the_config_asks(
    model: Model, full: Trace, eager: OlmoeForCausalLM, monkeypatch: pytest.MonkeyPatch
):
    configs = (model.module.config, eager.config)
    (free, clipped) = [], []
    for limit, found in ((None, free), (0.5, clipped)):
        for config in configs:
            assert isinstance(config, OlmoeConfig)
            monkeypatch.setattr(config, "clip_qkv", limit)
        # A model's parts are read once; an engine over a copy of the value reads them again.
        engine = LocalEngine(replace(model))
        found.append(engine.submit(all_rows(full, 0)).result().weights)
        np.testing.assert_allclose(found[0], stock_weights(eager, full)[0], atol=2e-6)
    assert np.abs(clipped[0] - free[0]).max() > 0.01


@pytest.mark.parametrize("layer", [-1, 3])
def test_a_layer_that_is_not_there_is_refused(ask: Ask, full: Trace, layer: int):
    with pytest.raises(InputError, match=f"layer must be from 0 to 2; it is {layer}"):
        ask(all_rows(full, layer))


def test_a_token_that_is_not_there_is_refused(ask: Ask, full: Trace):
    with pytest.raises(InputError, match="token must be from 0 to"):
        ask(AttentionRequest(full.request, 0, 0, len(full.tokens) + 1))
