"""Commands on saved files: they load no model."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest
from click.testing import Result

import olmoe_viz as ov
from olmoe_viz.cli import main
from olmoe_viz.exchange import long_form
from olmoe_viz.records.comparison import Comparison
from olmoe_viz.requests import GenerateRequest
from tests.report.test_page import effects_of

Run = Callable[..., Result]


def test_show_prints_a_trace_as_it_was_printed_when_it_ran(run: Run, saved: ov.Trace):
    shown = run("show", "run.safetensors")
    assert shown.exit_code == 0
    first, second, *_, last = shown.stdout.splitlines()
    assert first.startswith("trace recorded 2026-01-02T03:04:05+00:00: random (sha256:00), float32")
    assert second == "random, k=2"
    assert last.split()[0] == str(saved.next_ids[4])


def test_show_as_json_has_what_ran(run: Run, saved: ov.Trace):
    facts = json.loads(run("show", "run.safetensors", "--json").stdout)
    assert facts["kind"] == "trace"
    assert facts["expert_ids"] == saved.expert_ids.tolist()
    assert np.allclose(facts["weights"], saved.weights, rtol=0, atol=1e-7)
    assert facts["provenance"]["digest"] == "sha256:00"


def test_show_prints_the_text_of_a_generation(
    run: Run, tmp_path: Path, make_generation: Callable[..., ov.Generation]
):
    make_generation(text="ab\x1b[2J").save(tmp_path / "text.safetensors")
    shown = run("show", "text.safetensors")
    assert "one twoab␛[2J\n" in shown.stdout
    assert json.loads(run("show", "text.safetensors", "--json").stdout)["texts"][0]["text"] == (
        "ab\x1b[2J"
    )


@pytest.mark.parametrize("command", ["show", "report", "export"])
def test_a_damaged_file_is_a_wrong_argument(
    run: Run, tmp_path: Path, saved: ov.Trace, command: str
):
    data = bytearray((tmp_path / "run.safetensors").read_bytes())
    data[-1] ^= 1
    (tmp_path / "run.safetensors").write_bytes(data)
    ran = run(command, "run.safetensors", *["out.csv"] * (command == "export"))
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert "run.safetensors is not a readable" in ran.stderr.splitlines()[-1]
    assert {path.name for path in tmp_path.iterdir()} == {"run.safetensors", "other.safetensors"}


def test_diff_says_what_each_layer_shares_and_ends_with_1(run: Run, saved: ov.Trace):
    ran = run("diff", "run.safetensors", "other.safetensors")
    assert ran.exit_code == 1
    lines = ran.stdout.splitlines()
    assert lines[:3] == [
        "first: random, k=2",
        "second: random, k=3",
        f"tokens: the same {len(saved.tokens)}",
    ]
    # The two strongest of three are the two strongest.
    assert [line.split()[:2] for line in lines[7:10]] == [[str(n), "1.000"] for n in range(3)]
    # Three measures, each under a name of its own that is explained above the columns.
    named = [line.split(":")[0] for line in lines[3:6]]
    assert named == ["shared experts", "mass", "load distance"]
    assert all(name in lines[6] for name in named)
    facts = json.loads(run("diff", "run.safetensors", "other.safetensors", "--json").stdout)
    assert facts["by_layer"]["shared"] == [1.0, 1.0, 1.0]
    assert facts["first_different_token"] is None
    assert not facts["same"]


def test_diff_of_a_run_with_itself_ends_with_0(run: Run, saved: ov.Trace):
    assert run("diff", "run.safetensors", "run.safetensors").exit_code == 0


def test_a_text_of_a_comparison_is_chosen_by_its_number(
    run: Run, tmp_path: Path, make_generation: Callable[..., ov.Generation]
):
    policies = (ov.RoutingPolicy(2), ov.RoutingPolicy(3))
    request = GenerateRequest("random", "one two", policies, 4)
    rows = [
        make_generation(request=request, row=row, policy=policy)
        for row, policy in enumerate(policies)
    ]
    Comparison(tuple(rows)).save(tmp_path / "both.safetensors")
    lines = run("diff", "both.safetensors#0", "both.safetensors#1").stdout.splitlines()
    assert lines[:2] == ["first: random, k=2", "second: random, k=3"]
    ran = run("diff", "both.safetensors", "both.safetensors#2")
    assert (ran.exit_code, ran.stderr.splitlines()[-1].endswith("from 0.")) == (2, True)
    ran = run("export", "both.safetensors", "out.csv")
    assert (ran.exit_code, "several texts" in ran.stderr) == (1, True)
    shown = run("show", "both.safetensors")
    assert shown.stdout.count("one two") == 2
    assert "k=3" in shown.stdout


def test_diff_needs_runs(run: Run, tmp_path: Path, saved: ov.Trace):
    assert run("diff", "run.safetensors", "missing.safetensors").exit_code == 2


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_export_writes_a_row_an_expert(run: Run, tmp_path: Path, saved: ov.Trace, kind: str):
    assert run("export", "run.safetensors", f"out.{kind}").exit_code == 0
    read = pyarrow.csv.read_csv if kind == "csv" else pyarrow.parquet.read_table
    rows = read(tmp_path / f"out.{kind}").to_pylist()
    assert len(rows) == saved.expert_ids.size
    assert list(rows[0]) == ["token", "layer", "rank", "expert", "logit", "probability", "weight"]
    for row in rows:
        cell = row["layer"], row["token"]
        assert row["expert"] == saved.expert_ids[*cell, row["rank"] - 1]
        assert row["logit"] == saved.router_logits[*cell, row["expert"]]
        assert row["weight"] == saved.weights[*cell, row["rank"] - 1]
        probabilities = ov.routing.probabilities(saved.router_logits[cell])
        assert row["probability"] == pytest.approx(probabilities[row["expert"]], rel=1e-12)


def test_export_has_measured_effects_of_this_run_alone(run: Run, tmp_path: Path, saved: ov.Trace):
    effects_of(saved, 1, 4).save(tmp_path / "effects.safetensors")
    asked = ("export", "run.safetensors", "out.parquet", "--effects")
    assert run(*asked, "effects.safetensors").exit_code == 0
    rows = pyarrow.parquet.read_table(tmp_path / "out.parquet").to_pylist()
    measured = {row["rank"]: row["effect"] for row in rows if row["effect"] is not None}
    assert measured == {1: 0.25, 2: 0.5}
    other = ("export", "other.safetensors", "out.csv", "--effects", "effects.safetensors")
    for command in (other, (*asked, "run.safetensors")):
        assert run(*command).exit_code == 2
    assert not (tmp_path / "out.csv").exists()
    assert run("report", "run.safetensors", "effects.safetensors").exit_code == 0


def test_a_parquet_file_says_where_it_is_from(run: Run, tmp_path: Path, saved: ov.Trace):
    run("export", "run.safetensors", "out.parquet")
    metadata = pyarrow.parquet.read_schema(tmp_path / "out.parquet").metadata
    about = json.loads(metadata[b"olmoe_viz"])
    assert (about["model"], about["policy"]) == ("random", "k=2")
    assert about["tokens"] == list(saved.tokens)


def test_export_has_the_arrays_of_transformer_lens(run: Run, tmp_path: Path, saved: ov.Trace):
    run("export", "run.safetensors", "out.npz")
    with np.load(tmp_path / "out.npz", allow_pickle=False) as arrays:
        assert len(arrays) == 6
        for layer in range(3):
            weights = arrays[f"blocks.{layer}.mlp.hook_expert_weights"]
            indices = arrays[f"blocks.{layer}.mlp.hook_expert_indices"]
            probabilities = ov.routing.probabilities(saved.router_logits[layer])
            assert np.allclose(weights, probabilities, rtol=0, atol=1e-7)
            assert np.array_equal(indices, saved.expert_ids[layer])


def test_export_to_another_kind_is_refused(run: Run, saved: ov.Trace):
    ran = run("export", "run.safetensors", "out.xlsx")
    assert ran.exit_code == 2
    assert ran.stderr.splitlines()[-1].endswith(".parquet, .csv, .npz; it is out.xlsx.")


def test_ctrl_c_leaves_no_half_file_and_the_old_one(
    run: Run, tmp_path: Path, saved: ov.Trace, monkeypatch: pytest.MonkeyPatch
):
    def interrupted(path: Path, *_: object) -> None:
        path.write_text("half")
        raise KeyboardInterrupt

    monkeypatch.setattr(long_form, "write", interrupted)
    (tmp_path / "out.csv").write_text("old")
    ran = run("export", "run.safetensors", "out.csv")
    assert ran.exit_code == 1
    assert (tmp_path / "out.csv").read_text() == "old"
    assert not list(tmp_path.glob(".*"))


def test_report_writes_a_page(run: Run, tmp_path: Path, saved: ov.Trace):
    ran = run("report", "run.safetensors", "other.safetensors", "--cell", "1:4")
    assert ran.exit_code == 0
    written = (tmp_path / "report.html").read_text("utf-8")
    assert re.findall("<h3>(.*?)</h3>", written)[0] == f"Token 4 {saved.tokens[4]}, layer 1"
    assert "Comparison" in written
    assert run("report", "run.safetensors", "--cell", "1").exit_code == 2
    ran = run("report", "run.safetensors", "--cell", "9:0")
    assert (ran.exit_code, "layer 9" in ran.stderr) == (1, True)


def test_saved_files_are_read_without_torch(tmp_path: Path, saved: ov.Trace):
    names = str(tmp_path / "run.safetensors"), str(tmp_path / "other.safetensors")
    script = f"""
import sys
from olmoe_viz.cli import main
a, b = {names!r}
for command in (
    ["show", a], ["diff", a, b], ["export", a, a + ".npz"], ["models"],
    ["report", a, b, "--save", a + ".html"],
):
    try:
        main(command)
    except SystemExit as end:
        assert end.code in (0, None) or command[0] == "diff", command
print("torch" in sys.modules)
"""
    ran = subprocess.run(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.splitlines()[-1] == "False"


def test_models_lists_what_can_be_loaded(run: Run):
    listed = json.loads(run("models", "--json").stdout)
    assert listed[0]["here"]
    names = [each["name"] for each in listed]
    assert names[0] == "olmoe-nano"
    table = run("models").stdout.splitlines()
    assert [line.split()[0] for line in table[1:]] == names


def test_every_help_says_more_than_its_line_in_the_list(run: Run):
    for name, command in main.commands.items():
        shown = run(name, "--help")
        assert shown.exit_code == 0
        assert len(str(command.help)) > len(str(command.short_help)) + 60 or name == "app"
