"""The bundled model is the one that its card, its digests and its recorded data speak of."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

import olmoe_viz as ov
from olmoe_viz.analysis.saturation import RouterCheckpoints, load_router_checkpoints
from olmoe_viz.models.catalogue import bundled_path
from olmoe_viz.models.load import Model
from training.card import card

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


def test_the_stored_continuations_are_reproduced(model: Model) -> None:
    rows = json.loads((DATA / "continuations.json").read_text(encoding="utf-8"))
    assert len(rows) == 6
    policy = [ov.RoutingPolicy(model.geometry.trained_k)]
    for row in rows:
        tokens = len(row["token_ids"])
        run = ov.compare(model, row["prompt"], policy, max_new_tokens=tokens)[0]
        assert run.token_ids.tolist() == row["token_ids"]
        assert run.text == row["text"]
