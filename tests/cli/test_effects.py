"""The commands `effects` and `ablate`, on the bundled model."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
from click.testing import Result

from olmoe_viz.records.effects import Effects

Run = Callable[..., Result]


def test_effects_prints_what_each_expert_of_a_cell_does(run: Run, tmp_path: Path):
    saved = tmp_path / "effects.safetensors"
    options = ["--layer", "15", "--lost-mass", "restore", "--seed", "4"]
    ran = run("effects", "Once upon a time", *options, "--save", str(saved))
    assert ran.exit_code == 0
    found = Effects.load(saved)
    assert found.request.cells == ((15, 3),)
    assert found.request.run.policy.lost_mass == "restore"
    heading, _, *lines = ran.stdout.splitlines()
    assert ", layer 15, token 3, likeliest: " in heading
    assert [int(line.split()[0]) for line in lines] == found.expert_ids[0].tolist()
    assert [line.split()[2] for line in lines] == [f"{kl:.2e}" for kl in found.kl[0]]


def test_ablate_writes_a_table_and_goes_on_with_it(run: Run, tmp_path: Path):
    texts, folder = tmp_path / "texts.txt", tmp_path / "effects"
    texts.write_text("A cat sat.\n\nA dog ran.\n")
    options = [str(texts), str(folder), "--tokens", "1", "--layers", "15", "--away", "route_around"]
    ran = run("ablate", *options)
    assert ran.exit_code == 0
    assert ran.stdout.startswith("2 documents in ")
    assert ran.stderr.count(" s to go.") == 2
    assert len(pd.read_parquet(folder)) == 16
    assert run("ablate", *options).stderr.count(" s to go.") == 0
