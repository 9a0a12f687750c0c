"""The records of details, scores and times do not contradict themselves either."""

from dataclasses import replace

import numpy as np
import pytest

from olmoe_viz import Geometry
from olmoe_viz.numerics.geometry import MoeLayer
from olmoe_viz.records.attention import Attention
from olmoe_viz.records.coalition import Coalition
from olmoe_viz.records.effects import Effects
from olmoe_viz.records.inspection import Inspection
from olmoe_viz.records.patches import Patches, Routes
from olmoe_viz.records.prediction import Lens, LogitDirections, Predictions
from olmoe_viz.records.record import Record
from olmoe_viz.records.scores import Scores


def refused(record: Record, change: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        replace(record, **change)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"experts_shown": 0}, "cannot show 0 experts of 8"),
        ({"experts_shown": 9}, "cannot show 9 experts of 8"),
        ({"experts_shown": 2}, r"shape \[2"),
        ({"ids": np.array([0, 1, 8])}, "not from 0 to 7"),
        ({"ids": np.array([0, 1, -1])}, "not from 0 to 7"),
        ({"weights": np.full((2, 3), -1.0)}, "below 0"),
        ({"weights": np.ones((1, 3))}, r"weights is not float64 of shape \[2, 3\]"),
        ({"outputs": np.full((3, 12), np.nan, np.float32)}, "not finite"),
        ({"input_norm": -1.0}, "input_norm must be"),
    ],
)
def test_an_inspection(inspection: Inspection, change: dict, sentence: str):
    refused(inspection, change, sentence)


def test_an_inspection_says_where_it_looked(inspection: Inspection):
    assert (inspection.layer, inspection.token) == (1, 3)
    assert inspection.policies == inspection.request.policies


@pytest.mark.parametrize("layer", [-1, 0, 2, 3])
def test_an_inspection_of_a_layer_without_experts(
    inspection: Inspection, geometry: Geometry, layer: int
):
    sparse = replace(geometry, moe_layers=(MoeLayer(1, 8, 2, 8),))
    assert replace(inspection, geometry=sparse).layer == 1
    request = replace(inspection.request, layer=layer)
    refused(inspection, {"geometry": sparse, "request": request}, f"layer {layer} has no experts")


@pytest.mark.parametrize(
    ("weights", "sentence"),
    [
        (np.full((2, 2, 3), 0.4, np.float32), "sum to more than 1"),
        (np.full((2, 2, 3), -0.1, np.float32), "below 0"),
        (np.zeros((2, 3, 3), np.float32), r"shape \[2, 2, 3\]"),
    ],
)
def test_attention(attention: Attention, weights: np.ndarray, sentence: str):
    refused(attention, {"weights": weights}, sentence)


def test_attention_of_a_layer_that_is_not_there(attention: Attention):
    for layer in (-1, 3):
        request = replace(attention.request, layer=layer)
        refused(attention, {"request": request}, f"no layer {layer}")


def test_attention_of_too_many_tokens(attention: Attention):
    refused(attention, {"request": replace(attention.request, stop=10**6)}, "1 to 8192 tokens")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"top_ids": np.array([[0, 40], [0, 1]])}, "outside the vocabulary"),
        ({"top_tokens": (("a", "b"),)}, "not as many texts"),
        ({"top_tokens": (("a", "b"), ("c",))}, "not as many texts"),
        ({"top_tokens": (("a", "b"), ("c", "d" * 4001))}, "4,000 characters"),
        ({"probabilities": np.full((2, 2), 0.6)}, "sum to more than 1"),
        ({"probabilities": np.full((2, 2), -0.1)}, "below 0"),
        ({"logits": None}, "logits is not float32"),
    ],
)
def test_predictions(predictions: Predictions, change: dict, sentence: str):
    refused(predictions, change, sentence)


def test_predictions_list_no_more_than_the_vocabulary(predictions: Predictions):
    assert predictions.layout(
        {"request": replace(predictions.request, top=50), "geometry": predictions.geometry}
    )["top_ids"] == ("int64", (2, 40))
    brief = replace(predictions.request, detail="top")
    refused(predictions, {"request": brief}, "logits is foreign to what was asked")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"ids": np.full((4, 1), 40)}, "outside the vocabulary"),
        ({"tokens": (("a",),) * 3}, "not as many texts"),
        ({"winner_rank": np.zeros(4, np.int64)}, "rank is not in the vocabulary"),
        ({"winner_rank": np.full(4, 41)}, "rank is not in the vocabulary"),
        ({"probabilities": np.full((4, 1), 1.1)}, "sum to more than 1"),
    ],
)
def test_a_lens(lens: Lens, change: dict, sentence: str):
    refused(lens, change, sentence)


def test_directions(directions: LogitDirections):
    request = replace(directions.request, token_ids=(1, 2, 3))
    refused(directions, {"request": request}, r"directions is not float64 of shape \[3, 12\]")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"tokens": 0}, "1 to 8192 tokens"),
        ({"tokens": 3}, r"of shape \[3\]"),
        ({"token_ids": np.full(4, 40)}, "outside the vocabulary"),
        ({"nll": np.full((2, 3), -1.0)}, "likelihood is above 1"),
        ({"kl": np.full((2, 4), -1.0)}, "divergence below 0"),
        ({"kl": None}, "kl is not float64"),
        ({"same_top": np.full((2, 4), 2, np.uint8)}, "not 0 or 1"),
    ],
)
def test_scores(scores: Scores, change: dict, sentence: str):
    refused(scores, change, sentence)


def test_scores_have_divergences_from_a_reference_alone(scores: Scores):
    alone = replace(scores.request, reference=None)
    refused(scores, {"request": alone}, "kl is foreign to what was asked")
    assert replace(scores, request=alone, kl=None, same_top=None).kl is None


def test_times_and_facts(plain_records: list[Record]):
    timing, bandwidth, _, facts = plain_records
    refused(timing, {"seconds": np.zeros(2)}, "not above 0")
    refused(timing, {"seconds": np.ones(3)}, r"of shape \[2\]")
    refused(bandwidth, {"bytes_per_second": float("inf")}, "finite")
    refused(facts, {"capabilities": ("fly",)}, "no model can do")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"expert_ids": np.full((2, 2), 8, np.int16)}, "not from 0 to 7, nor -1"),
        ({"top_ids": np.array([0, 40])}, "outside the vocabulary"),
        ({"kl": np.full((2, 2), -1.0)}, "a divergence below 0"),
        ({"top_tokens": ("a",)}, "not as many texts"),
        ({"new_top_tokens": (("a", "c"), ("b",))}, "new likeliest tokens have not as many"),
        ({"random_kl": None}, "random_kl is not float64"),
        ({"continuation_changes": np.zeros((2, 3))}, r"shape \[2, 2\]"),
    ],
)
def test_effects(effects: Effects, change: dict, sentence: str):
    refused(effects, change, sentence)


def test_effects_have_a_band_and_say_where_another_token_wins(effects: Effects):
    drawn = np.tile(np.arange(20.0), (2, 2, 1))
    found = replace(effects, random_kl=drawn, new_tops=np.array([[0, 1], [0, 0]]))
    assert found.tops_changed.tolist() == [[False, True], [False, False]]
    assert found.band()[:, 1, 1].tolist() == pytest.approx([0.475, 18.525])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"top_tokens": ("a",)}, "not two texts"),
        ({"new_tops": np.array([0, -1])}, "outside the vocabulary"),
        ({"kl": np.array([0.0, -0.5])}, "a divergence below 0"),
    ],
)
def test_patches(patches: Patches, change: dict, sentence: str):
    refused(patches, change, sentence)


def test_patches_restore_a_share_of_the_difference(patches: Patches):
    run = np.log([[0.5, 0.25], [0.125, 0.5]])
    found = replace(patches, run_tops=np.array([3, 4]), run_logprobs=run)
    found = replace(found, logprobs=np.log([[0.25, 0.5], [0.5, 0.25]]))
    assert found.recovery().tolist() == pytest.approx([1 / 3, 1])
    assert replace(found, run_tops=np.array([3, 3])).recovery().tolist() == pytest.approx([0.5, 1])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"next_logprob": None}, "no likelihood"),
        ({"ran_ids": np.array([8, 0], np.int16)}, "not below 8, nor -1"),
        ({"kl": np.full(4, -1.0)}, "below 0"),
    ],
)
def test_routes(routes: Routes, change: dict, sentence: str):
    refused(routes, change, sentence)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"kept": (True,)}, "not as many as the steps"),
        ({"layers": np.array([0, 9])}, "a layer has no experts"),
        ({"expert_ids": np.array([8, 0], np.int16)}, "not from 0 to 7"),
        ({"new_tops": np.array([0, 40])}, "outside the vocabulary"),
    ],
)
def test_coalition(coalition: Coalition, change: dict, sentence: str):
    refused(coalition, change, sentence)
    assert coalition.flipped
    (gone,) = coalition.interventions()
    assert str(gone) == f"off:{coalition.layers[1]}.0@2"
