"""Claims about taking experts away: how they are measured, and what is recorded of them."""

import json
from pathlib import Path

import numpy as np
import pytest

import olmoe_viz as ov
from olmoe_viz.analysis import claims
from olmoe_viz.interventions import Intervention
from olmoe_viz.models.model import Model
from training.claims import BLOCKED, QUOTED, THRESHOLDS, measure

TEXTS = ["the little robot found a red ball", "der kleine Hund läuft in the garden", "a ball für"]


def bits(model: Model, policy: ov.RoutingPolicy) -> float:
    """Return bits per byte of the texts, from what plain runs predict of each next token."""
    total, size = 0.0, 0
    for text in TEXTS:
        ids = model.tokenizer.backend_tokenizer.encode(text).ids
        for at in range(1, len(ids)):
            run = ov.trace(model, ids[:at], policy)
            found = dict(zip(run.next_ids.tolist(), run.next_logits.tolist(), strict=True))
            if ids[at] not in found:
                pytest.fail("the token is not among those recorded")
            total -= (found[ids[at]] - run.log_sum_exp) / np.log(2)
            size += len(model.token_bytes.of(ids[at]))
    return total / size


@pytest.fixture(scope="module")
def measured(model: Model) -> claims.Claims:
    return measure(model, TEXTS)


def test_every_figure_is_a_difference_of_plain_runs(
    model: Model, measured: claims.Claims, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("olmoe_viz.engine.tracing.NEXT_TOKENS", model.geometry.vocab)
    monkeypatch.setattr("olmoe_viz.records.trace.NEXT_TOKENS", model.geometry.vocab)
    plain = bits(model, ov.RoutingPolicy(8))
    assert measured.bits_per_byte == pytest.approx(plain, rel=1e-4)
    found = {(each.claim, each.setting, each.rule): each for each in measured.figures}
    pruned = bits(model, ov.RoutingPolicy(8, "renormalized", 0.05))
    figure = found["pruning", "0.05", "renormalize"]
    assert figure.value == pytest.approx(pruned - plain, abs=1e-4)
    assert figure.low <= figure.value <= figure.high
    runs = [ov.trace(model, text) for text in TEXTS]
    mass = np.zeros((3, 64))
    for run in runs:
        for layer in range(3):
            np.add.at(mass[layer], run.expert_ids[layer], run.weights[layer])
    layer, expert = np.unravel_index(mass.argmax(), mass.shape)
    gone = Intervention("route_around", int(layer), int(expert))
    blocked = bits(model, ov.RoutingPolicy(8, interventions=(gone,)))
    assert found["strongest", "1", "drop"].value == pytest.approx(blocked - plain, abs=1e-4)
    light = np.concatenate([run.weights.ravel() for run in runs]) < THRESHOLDS[-1]
    assert measured.shares[-1] == pytest.approx(light.mean())


def test_there_is_a_figure_of_every_layer_setting_and_rule(measured: claims.Claims) -> None:
    assert [each.setting for each in measured.of("weight")] == ["0", "1", "2", "all"]
    assert len(measured.of("pruning")) == 3 * len(THRESHOLDS)
    assert len(measured.of("strongest")) == 2 * len(BLOCKED)
    assert [each.setting for each in measured.of("least_used")] == ["1"]
    assert measured.effects == 3 * 3 * 3 * 8


def test_the_recorded_figures_are_of_the_bundled_model(tmp_path: Path) -> None:
    found = claims.load()
    measured = json.loads(claims.RECORDED.with_name("measured.json").read_text("utf-8"))
    assert found.digest == measured["digest"], "python -m training.claims measures them again"
    assert found.quoted == QUOTED
    assert len(found.of("weight")) == 17
    claims.save(found, tmp_path / "claims.json")
    assert claims.load(tmp_path / "claims.json") == found
