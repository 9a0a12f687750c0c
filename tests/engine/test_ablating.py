"""The table of effects over a corpus, broken off and gone on with, by one process and by two."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import olmoe_viz as ov
from olmoe_viz.engine import ablating
from olmoe_viz.engine.ablating import Ablated, AblationPlan
from olmoe_viz.models.model import Model

TEXTS = ["the little robot", "der kleine Hund läuft", "a red ball", "🙂 für dich"]
PLAN = AblationPlan(tokens=2, layers=(0, 2), seed=5)


class BreakOffError(Exception):
    pass


@pytest.fixture(scope="module")
def whole(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ov.ablate(model, TEXTS, PLAN, tmp_path_factory.mktemp("whole"))


def test_a_row_is_an_expert_of_a_cell_as_effects_measures_it(model: Model, whole: Path) -> None:
    table = pd.read_parquet(whole)
    assert len(table) == len(TEXTS) * 2 * 2 * 8
    assert not table.isna().any(axis=None)
    for (document, layer, token), rows in table.groupby(["document", "layer", "token"]):
        if document != 1:
            continue
        found = ov.effects(model, TEXTS[1], [(layer, token)], seed=5)
        assert rows["rank"].tolist() == list(range(1, 9))
        assert rows["expert"].tolist() == found.expert_ids[0].tolist()
        for name, values in (
            ("weight", found.weights),
            ("kl", found.kl),
            ("share", found.shares),
            ("logprob_change", found.logprob_changes),
            ("matched_kl", found.matched_kl),
            ("random_high", found.band()[1]),
        ):
            np.testing.assert_allclose(rows[name], values[0], rtol=1e-3, atol=1e-8)
    made = ablating.manifest(whole)
    assert made["digest"] == model.digest
    assert made["plan"]["policy"] == "k=8"
    assert (made["lost_mass"], made["plan"]["seed"], made["documents"]) == ("drop", 5, 4)


def test_a_run_that_was_broken_off_goes_on_where_it_was(
    model: Model, whole: Path, tmp_path: Path
) -> None:
    seen: list[Ablated] = []

    def watch(how_far: Ablated) -> None:
        seen.append(how_far)
        if len(seen) == 2:
            raise BreakOffError

    with pytest.raises(BreakOffError):
        ov.ablate(model, TEXTS, PLAN, tmp_path / "some", watch)
    begun = {path: path.stat().st_mtime_ns for path in (tmp_path / "some").glob("*.parquet")}
    assert len(begun) == 2
    ov.ablate(model, TEXTS, PLAN, tmp_path / "some", watch)
    assert [each.done for each in seen] == [1, 2, 3, 4]
    assert seen[-1].left == 0
    assert all(path.stat().st_mtime_ns == date for path, date in begun.items())
    same(tmp_path / "some", whole)


def same(folder: Path, other: Path) -> None:
    one, two = (pd.read_parquet(each) for each in (folder, other))
    pd.testing.assert_frame_equal(one, two, rtol=1e-4, atol=1e-7)
    assert ablating.manifest(folder) == ablating.manifest(other)


def test_another_plan_or_corpus_is_not_mixed_in(model: Model, whole: Path, tmp_path: Path) -> None:
    with pytest.raises(ov.InputError, match="another plan"):
        ov.ablate(model, TEXTS, AblationPlan(tokens=1), whole)
    with pytest.raises(ov.InputError, match="another documents and texts"):
        ov.ablate(model, TEXTS[:2], PLAN, whole)
    with pytest.raises(ov.InputError, match="holds no table"):
        ablating.manifest(tmp_path)
    with pytest.raises(ov.InputError, match="Document 1: There is no text"):
        ov.ablate(model, [TEXTS[0], ""], PLAN, tmp_path / "empty")


def test_processes_share_the_documents_out(
    model: Model, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes' shares, one after the other, are what one process measures."""
    for number in range(2):
        share = number, 2, lambda: None
        monkeypatch.setattr(ablating, "_process", lambda _, share=share: share)
        ov.ablate(model, TEXTS, PLAN, tmp_path / "shared")
        assert len(list((tmp_path / "shared").glob("*.parquet"))) == 2 * (number + 1)
    same(tmp_path / "shared", whole)


@pytest.mark.long
def test_two_processes_of_accelerate_give_what_one_gives(
    folder: Path, whole: Path, tmp_path: Path
) -> None:
    script = tmp_path / "measure.py"
    script.write_text(
        "import olmoe_viz as ov\n"
        f"model = ov.load_model({str(folder)!r}, device='cpu')\n"
        f"plan = ov.AblationPlan(tokens=2, layers=(0, 2), seed=5)\n"
        f"ov.ablate(model, {TEXTS!r}, plan, {str(tmp_path / 'shared')!r})\n"
    )
    launch = shutil.which("accelerate", path=str(Path(sys.executable).parent))
    assert launch is not None
    options = ["--multi_gpu", "--num_processes", "2", "--num_machines", "1"]
    options += ["--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "8661"]
    subprocess.run(
        [launch, "launch", *options, str(script)],
        check=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": ".", "CUDA_VISIBLE_DEVICES": ""},
    )
    same(tmp_path / "shared", whole)
