"""The library from a shell, on the bundled model."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import olmoe_viz as ov
from olmoe_viz.cli import main

MakeRun = Callable[..., ov.Generation]
ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    ("options", "policy"),
    [
        (["--k", "16"], ov.RoutingPolicy(16)),
        (["--k", "16", "--threshold", "0.05"], ov.RoutingPolicy(16, threshold=0.05)),
    ],
    ids=["k", "threshold"],
)
def test_trace_prints_the_experts_of_every_token_and_saves_them(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    policy: ov.RoutingPolicy,
):
    saved = tmp_path / "run.safetensors"
    assert main(["trace", "Once upon a time", *options, "--save", str(saved)]) == 0
    trace = ov.Trace.load(saved)
    assert trace.policy == policy

    printed, strongest = capsys.readouterr().out.splitlines(), trace.expert_ids[..., 0]
    assert printed[0].endswith(f", {policy}")
    for position, line in enumerate(printed[2 : 2 + len(trace.tokens)]):
        token_id, mass, *experts = line.split()[: 2 + trace.geometry.layers]
        assert int(token_id) == trace.token_ids[position]
        assert list(map(int, experts)) == strongest[:, position].tolist()
        best = np.sort(ov.routing.probabilities(trace.router_logits[:, position]))[:, -16:]
        kept = np.where(best >= policy.threshold, best, 0).sum(axis=-1)
        kept = np.maximum(kept, best[:, -1])  # the strongest always runs
        assert float(mass) == pytest.approx(kept.mean(), abs=0.0051)
    token_id, probability, token = printed[-5].split(maxsplit=2)
    assert int(token_id) == trace.next_ids[0]
    assert float(probability) == pytest.approx(trace.next_probabilities()[0], abs=0.00051)
    alone = ov.trace(ov.load_model(), [int(token_id)])
    assert token == alone.tokens[0].strip()


def test_a_threshold_counts_the_parameters_that_ran(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    make_generation: MakeRun,
    geometry: ov.Geometry,
):
    sizes = replace(geometry, hidden=240, intermediate=100)
    wide, narrow = (
        make_generation(policy=ov.RoutingPolicy(8, threshold=threshold), geometry=sizes)
        for threshold in (0, 1)
    )
    monkeypatch.setattr(ov, "compare", lambda *_, **__: [wide, narrow])
    assert main(["compare", "a"]) == 0
    first, second = capsys.readouterr().out.split("\n\n")
    for block, k in ((first, 8), (second, 1)):
        active = ov.costs.active_parameters(sizes, k) / 1e6
        assert f" {active:,.1f} M active parameters" in block


def test_compare_prints_the_text_of_every_k(capsys: pytest.CaptureFixture[str]):
    prompt, ks = "The robot said", (8, 64)
    assert main(["compare", prompt, "--k", "8,64", "--tokens", "6"]) == 0
    blocks = capsys.readouterr().out.split("\n\nk=")
    runs = ov.compare(
        ov.load_model("olmoe-nano"), prompt, [ov.RoutingPolicy(k) for k in ks], max_new_tokens=6
    )
    for k, run, block in zip(ks, runs, blocks, strict=True):
        assert block.removeprefix("k=").startswith(f"{k} ")
        assert run.text.split("\n")[0] in block


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["trace", "a", "--threshold", "2"], "from 0 to 1"),
        (["trace", "a", "--k", "0"], "at least 1"),
        (["trace", "a", "--k", "8,16"], "Write k=16"),
        (["trace", "a", "--k", "65"], "from 1 to 64"),
        (["compare", "a", "--k", "8,x"], "Write k=16"),
        (["trace", "a", "--model", "/no/such/folder"], "/no/such/folder"),
        (["trace", ""], "no text"),
        (["compare", "a", "--tokens", "0"], "token"),
    ],
)
def test_a_mistake_is_one_sentence(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
):
    assert main(arguments) == 1
    said = capsys.readouterr()
    # Loading a model shows its progress before.
    assert sentence in said.err.splitlines()[-1]
    assert "Traceback" not in said.err
    assert not said.out


def test_the_module_runs():
    ran = subprocess.run(
        [sys.executable, "-m", "olmoe_viz.cli", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "{trace,compare}" in ran.stdout


def test_its_entry_lets_waiting_threads_sleep_before_torch_is_there():
    script = """
import os, runpy, sys
from olmoe_viz.cli import main
before = os.environ.get("OMP_WAIT_POLICY")
sys.argv[1:] = ["--help"]
try:
    runpy.run_module("olmoe_viz.cli", run_name="__main__")
except SystemExit:
    print(before, os.environ["OMP_WAIT_POLICY"], "torch" in sys.modules)
"""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    ran = subprocess.run(
        [sys.executable, "-W", "ignore::RuntimeWarning", "-c", script],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.splitlines()[-1] == "None passive False"


def test_what_was_written_before_a_failure_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], make_generation: MakeRun
):
    def broken(*_: object, **__: object) -> None:
        raise ov.GenerationError("The memory ran out.", [make_generation(text="so far \x1b[2J")])

    monkeypatch.setattr(ov, "compare", broken)
    assert main(["compare", "a"]) == 1
    said = capsys.readouterr()
    assert said.out.endswith("\nso far ␛[2J\n")
    assert said.err.splitlines()[-1] == "The memory ran out."
