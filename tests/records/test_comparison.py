"""All generations of a request in one file."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from olmoe_viz import Generation, RoutingPolicy
from olmoe_viz.engine.recorded import RecordedEngine, load
from olmoe_viz.records.comparison import Comparison
from olmoe_viz.requests import GenerateRequest
from tests.records.files import join, split

POLICIES = (RoutingPolicy(2), RoutingPolicy(4, "renormalized"), RoutingPolicy(None, threshold=0.2))


@pytest.fixture
def comparison(make_generation: Callable[..., Generation]) -> Comparison:
    request = GenerateRequest("random", "one two", POLICIES, 4)
    return Comparison(
        tuple(
            make_generation(policy=policy, request=request, row=row, seed=row, tokens=row + 2)
            for row, policy in enumerate(POLICIES)
        )
    )


def test_it_is_kept_in_one_file(comparison: Comparison, tmp_path: Path):
    path = tmp_path / "comparison.safetensors"
    comparison.save(path)
    loaded = Comparison.load(path)
    assert loaded.request == comparison.request
    assert [len(each.tokens) for each in loaded.generations] == [2, 3, 4]
    for mine, other in zip(comparison.generations, loaded.generations, strict=True):
        assert mine.policy == other.policy
        for name, value in vars(mine).items():
            if isinstance(value, np.ndarray):
                assert value.tobytes() == getattr(other, name).tobytes(), name
            else:
                assert value == getattr(other, name), name


def test_the_engine_of_records_answers_with_it(comparison: Comparison, tmp_path: Path):
    path = tmp_path / "comparison.safetensors"
    comparison.save(path)
    assert isinstance(load(path), Comparison)
    found = RecordedEngine([path]).kept(comparison.request)
    assert [each.row for each in found] == [0, 1, 2]


def test_its_logits_can_be_halved(comparison: Comparison, tmp_path: Path):
    comparison.save(tmp_path / "whole")
    comparison.save(tmp_path / "half", half_logits=True)
    assert (tmp_path / "half").stat().st_size < (tmp_path / "whole").stat().st_size
    loaded = Comparison.load(tmp_path / "half")
    assert {each.logits_precision for each in loaded.generations} == {"float16"}


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [((), "no generations"), ((0, 1), "not the rows"), ((1, 0, 2), "not the rows")],
)
def test_rows_must_be_those_of_the_request(
    comparison: Comparison, rows: tuple[int, ...], sentence: str
):
    with pytest.raises(ValueError, match=sentence):
        Comparison(tuple(comparison.generations[row] for row in rows))


def test_rows_of_another_request_or_of_other_weights_do_not_belong(comparison: Comparison):
    *others, last = comparison.generations
    asked = replace(last, request=replace(last.request, seed=5))
    with pytest.raises(ValueError, match="not made by one request"):
        Comparison((*others, asked))
    weights = replace(last, provenance=replace(last.provenance, digest="sha256:11"))
    with pytest.raises(ValueError, match="different weights"):
        Comparison((*others, weights))


def test_damage_is_refused_in_a_sentence(comparison: Comparison, tmp_path: Path):
    path = tmp_path / "run"
    comparison.save(path)
    whole = path.read_bytes()
    for place in np.random.default_rng(0).integers(0, len(whole), 60):
        changed = bytearray(whole)
        changed[place] ^= 1
        path.write_bytes(changed)
        with pytest.raises(ValueError, match="run is not a readable comparison: "):
            Comparison.load(path)


def test_a_row_that_is_missing_is_refused(comparison: Comparison, tmp_path: Path):
    path = tmp_path / "run"
    comparison.save(path)
    header, data = split(path)
    del header["1.weights"]
    join(path, header, data)
    with pytest.raises(ValueError, match=r"missing from it .*1\.weights"):
        Comparison.load(path)


def test_another_kind_is_refused(make_generation: Callable[..., Generation], tmp_path: Path):
    make_generation().save(tmp_path / "run")
    with pytest.raises(ValueError, match="another kind"):
        Comparison.load(tmp_path / "run")
