"""The library from a shell, on the bundled model."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import olmoe_viz as ov
from olmoe_viz.cli import main

MakeRun = Callable[..., ov.Generation]
ROOT = Path(__file__).parent.parent


def test_trace_prints_the_experts_of_every_token_and_saves_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    saved = tmp_path / "run.safetensors"
    assert main(["trace", "Once upon a time", "--k", "16", "--save", str(saved)]) == 0
    trace = ov.Trace.load(saved)
    assert trace.policy == ov.RoutingPolicy(16)

    printed, strongest = capsys.readouterr().out.splitlines(), trace.router_logits.argmax(axis=-1)
    assert printed[0].endswith("k=16")
    for position, line in enumerate(printed[2 : 2 + len(trace.tokens)]):
        token_id, mass, *experts = line.split()[: 2 + trace.geometry.layers]
        assert int(token_id) == trace.token_ids[position]
        assert list(map(int, experts)) == strongest[:, position].tolist()
        probabilities = ov.routing.probabilities(trace.router_logits[:, position])
        assert float(mass) == pytest.approx(
            np.sort(probabilities)[:, -16:].sum(axis=-1).mean(), abs=0.0051
        )
    token_id, probability = printed[-5].split()[:2]
    assert int(token_id) == trace.next_ids[0]
    assert float(probability) == pytest.approx(trace.next_probabilities()[0], abs=0.00051)


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


def test_what_was_written_before_a_failure_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], make_generation: MakeRun
):
    def broken(*_: object, **__: object) -> None:
        raise ov.DecodingError("The memory ran out.", [make_generation(text="so far \x1b[2J")])

    monkeypatch.setattr(ov, "compare", broken)
    assert main(["compare", "a"]) == 1
    said = capsys.readouterr()
    assert said.out.endswith("\nso far ␛[2J\n")
    assert said.err.splitlines()[-1] == "The memory ran out."
