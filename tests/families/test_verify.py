"""A rule that is not the stock router's is found out at load, and takes the right to steer."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

import olmoe_viz as ov
from olmoe_viz.families import olmoe
from olmoe_viz.families.gate import GateRule
from olmoe_viz.families.verify import steers
from tests.engine.tiny import load_stock, write_checkpoint

WRONG = {
    "score": GateRule(score="sigmoid"),
    "normalise": GateRule(normalise=True),
    "scale": GateRule(scale=2.0),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("tiny"))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_right_rule_passes_and_nothing_changes(folder: Path, dtype: torch.dtype) -> None:
    stock = load_stock(folder, 8).to(dtype)
    sites = olmoe.Olmoe().sites(stock)
    before = [vars(site.router)["top_k"] for site in sites]
    assert steers(sites)
    assert [vars(site.router)["top_k"] for site in sites] == before == [8, 8, 8]


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_rule_is_seen(folder: Path, wrong: str) -> None:
    sites = olmoe.Olmoe().sites(load_stock(folder, 8))
    one = dataclasses.replace(sites[1], rule=WRONG[wrong])
    assert not steers([sites[0], one, sites[2]])


def test_a_precision_that_is_wrong_is_seen_in_the_dtype_that_runs(folder: Path) -> None:
    """Small logits are finer than bfloat16 probabilities, so that these tie where logits do not."""
    rule = GateRule(precision="logits")
    for dtype, same in ((torch.float32, True), (torch.bfloat16, False)):
        sites = olmoe.Olmoe().sites(load_stock(folder, 8).to(dtype))
        with torch.no_grad():
            for site in sites:
                site.router.weight.mul_(0.05)
        assert steers(sites)
        assert steers([dataclasses.replace(site, rule=rule) for site in sites]) is same


def test_a_model_that_is_not_steered_still_shows_what_its_own_router_does(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = ov.trace(ov.load_model(str(folder), device="cpu"), "the ball")
    monkeypatch.setattr(olmoe, "RULE", GateRule(normalise=True))
    model = ov.load_model(str(folder), device="cpu")
    assert not model.capabilities
    run = ov.trace(model, "the ball")
    assert run.provenance.runner == "hooked"
    np.testing.assert_array_equal(run.expert_ids, expected.expert_ids)
    np.testing.assert_allclose(run.weights, expected.weights, atol=1e-5)
    for policy in (ov.RoutingPolicy(16), ov.RoutingPolicy(8, "renormalized")):
        with pytest.raises(ov.InputError, match="only as trained, with k = 8 and native"):
            ov.trace(model, "the ball", policy)
    with pytest.raises(ov.InputError, match="in its blocks is not known"):
        ov.trace(model, "the ball", detail="full")
    (written,) = ov.compare(model, "the ball", [ov.RoutingPolicy(8)], 4)
    assert len(written.token_ids) == 4
