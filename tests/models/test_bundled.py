"""The bundled model is the one that its card, its digests and its recorded data speak of."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import olmoe_viz as ov
from olmoe_viz.analysis.saturation import RouterCheckpoints, load_router_checkpoints
from olmoe_viz.models.catalogue import bundled_path
from olmoe_viz.models.load import Model
from training.card import FIRST_TRIAL, card

DATA = Path(ov.__file__).parent / "data"
MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def model() -> Model:
    return ov.load_model("olmoe-nano")


@pytest.fixture(scope="module")
def checkpoints() -> RouterCheckpoints:
    return load_router_checkpoints()


@pytest.fixture(scope="module")
def probabilities(model: Model, checkpoints: RouterCheckpoints) -> np.ndarray:
    """Router probabilities of 250 held-out tokens of each domain, [layers, tokens, experts]."""
    traces = [ov.trace(model, ids.tolist()) for ids in checkpoints.token_ids]
    logits = np.concatenate([trace.router_logits for trace in traces], axis=1)
    return ov.routing.probabilities(logits)


def test_the_card_lists_the_digests_of_the_files() -> None:
    card = (bundled_path() / "README.md").read_text(encoding="utf-8")
    sums = (bundled_path() / "SHA256SUMS").read_text().splitlines()
    assert len(sums) >= 10
    for line in sums:
        digest, name = line.split()
        assert hashlib.sha256((bundled_path() / name).read_bytes()).hexdigest() == digest
        assert line in card


def test_the_card_is_what_template_and_tables_make() -> None:
    assert (bundled_path() / "README.md").read_text(encoding="utf-8") == card(bundled_path())


def test_the_recorded_tables_were_measured_on_these_weights(model: Model) -> None:
    measured = json.loads((DATA / "measured.json").read_text(encoding="utf-8"))
    assert measured["digest"] == model.digest


def test_the_recorded_tables_reach_what_the_training_aimed_at() -> None:
    """The aims are those of the first sections of ``training/LOG.md``."""
    layers, quality = pd.read_csv(DATA / "layers.csv"), pd.read_csv(DATA / "quality.csv")
    mass = layers["retained_mass_median"]
    assert mass.between(0.25, 0.60).all()
    assert np.corrcoef(layers["layer"], mass)[0, 1] > 0.9
    assert layers["least_load"].min() >= 0.2
    assert layers["greatest_load"].max() <= 5
    assert (layers["dead_experts"] == 0).all()
    assert (layers["greatest_domain_share"] >= 3 * 8 / 64).sum() >= 8
    mean = quality[(quality["domain"] == "all") & (quality["weighting"] == "native")]
    bits = mean.set_index("k")["bits_per_byte"]
    assert bits[8] <= 0.95 * FIRST_TRIAL
    assert bits[64] >= 1.05 * bits[8]


def test_the_retained_mass_is_the_recorded_one(probabilities: np.ndarray) -> None:
    """On a part of the text that it was recorded on, so it may differ a little."""
    medians = np.median(ov.routing.retained_mass(probabilities, 8), axis=1)
    recorded = pd.read_csv(DATA / "layers.csv")["retained_mass_median"]
    np.testing.assert_allclose(medians, recorded, atol=0.03)


def test_the_weights_keep_their_size_limits() -> None:
    shards = list(bundled_path().glob("*.safetensors"))
    sizes = [path.stat().st_size for path in shards]
    assert max(sizes) <= 15 * MEGABYTE
    assert sum(sizes) <= 100 * MEGABYTE


def test_every_expert_is_chosen_by_some_held_out_token(
    model: Model, probabilities: np.ndarray
) -> None:
    load = ov.routing.expert_load(probabilities, model.geometry.trained_k)
    assert load.shape == (model.geometry.layers, model.geometry.experts)
    assert load.min() > 0


def test_the_last_checkpoint_recorded_is_this_model(
    probabilities: np.ndarray, checkpoints: RouterCheckpoints
) -> None:
    """Recorded on a GPU with another order of sums, so a few choices at the cutoff may differ."""
    best = ov.routing.ranking(probabilities)[..., : checkpoints.choices.shape[-1]]
    recorded = checkpoints.choices[-1]
    same = (best[..., :, None] == recorded[..., None, :]).any(-1).mean()
    assert same > 0.998
    before = (best[..., :, None] == checkpoints.choices[-2][..., None, :]).any(-1).mean()
    assert before < 0.95


def test_the_stored_continuations_are_reproduced(model: Model, in_full: bool) -> None:
    rows = json.loads((DATA / "continuations.json").read_text(encoding="utf-8"))
    assert len(rows) == 6
    policy = [ov.RoutingPolicy(model.geometry.trained_k)]
    for row in rows if in_full else rows[::3]:
        tokens = len(row["token_ids"])
        run = ov.compare(model, row["prompt"], policy, max_new_tokens=tokens)[0]
        assert run.token_ids.tolist() == row["token_ids"]
        assert run.text == row["text"]
