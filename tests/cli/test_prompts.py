"""Commands that run a model, on a tiny one: where prompts are from, and JSON for scripts."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

import olmoe_viz as ov
from tests.engine.tiny import write_checkpoint

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_checkpoint(tmp_path_factory.mktemp("tiny")))


def test_a_prompt_is_an_argument_a_file_or_standard_input(run: Run, tmp_path: Path, folder: str):
    (tmp_path / "prompt.txt").write_text("the robot\n", encoding="utf-8")
    asked = ("trace", "--model", folder, "--json")
    answers = [
        run(*asked, "the robot"),
        run(*asked, "--file", "prompt.txt"),
        run(*asked, "-", typed="the robot\n"),
    ]
    runs = [json.loads(answer.stdout) for answer in answers]
    assert [each["text"] for each in runs] == ["the robot"] * 3
    assert runs[0]["expert_ids"] == runs[1]["expert_ids"] == runs[2]["expert_ids"]


@pytest.mark.parametrize("arguments", [(), ("a", "--file", "prompt.txt")])
def test_one_prompt_is_needed(run: Run, tmp_path: Path, arguments: tuple[str, ...]):
    (tmp_path / "prompt.txt").write_text("a", encoding="utf-8")
    ran = run("trace", *arguments)
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert "or --file" in ran.stderr.splitlines()[-1]


def test_a_file_that_is_no_text_is_one_sentence(run: Run, tmp_path: Path):
    (tmp_path / "prompt.txt").write_bytes(b"\xff\xfe\x00")
    ran = run("trace", "--file", "prompt.txt")
    assert ran.exit_code == 1
    assert ran.stderr.splitlines()[-1].startswith("Error: 'utf-8' codec can't decode")


def test_json_of_a_trace_is_what_ran_at_the_dtype_asked_for(run: Run, folder: str):
    ran = run("trace", "the robot", "--model", folder, "--json", "--dtype", "bfloat16")
    facts = json.loads(ran.stdout)
    assert facts["provenance"]["dtype"] == "bfloat16"
    trace = ov.trace(ov.load_model(folder, dtype="bfloat16"), "the robot")
    assert facts["expert_ids"] == trace.expert_ids.tolist()
    assert facts["next_ids"] == trace.next_ids.tolist()


def test_a_device_that_is_none_is_one_sentence(run: Run, folder: str):
    ran = run("trace", "a", "--model", folder, "--device", "abacus")
    assert ran.exit_code == 1
    assert "abacus" in ran.stderr.splitlines()[-1]


def test_json_of_a_comparison_has_the_sampled_texts(run: Run, folder: str):
    sampling = ("--temperature", "1.5", "--top-p", "0.9", "--seed", "3")
    ran = run(
        *("compare", "the robot", "--model", folder, "--k", "2,4", "--tokens", "5", "--json"),
        *sampling,
    )
    policies = [ov.RoutingPolicy(2), ov.RoutingPolicy(4)]
    model = ov.load_model(folder)
    expected = ov.compare(model, "the robot", policies, 5, 1.5, 0.9, 3)
    found = json.loads(ran.stdout)
    assert [each["token_ids"] for each in found] == [run.token_ids.tolist() for run in expected]
    assert [each["policy"] for each in found] == ["k=2", "k=4"]


def test_inspect_lists_every_expert_that_a_k_chooses(run: Run, folder: str):
    asked = ("inspect", "the robot", "--model", folder, "--k", "2,4", "--layer", "1")
    found = json.loads(run(*asked, "--json").stdout)
    model = ov.load_model(folder)
    policies = [ov.RoutingPolicy(2), ov.RoutingPolicy(4)]
    trace = ov.trace(model, "the robot", policies[0], "full")
    expected = ov.inspect(model, trace, 1, len(trace.tokens) - 1, policies)
    assert [each["expert"] for each in found["experts"]] == expected.ids.tolist()
    weights = [each["weights"] for each in found["experts"]]
    assert np.allclose(np.transpose(weights), expected.weights, rtol=0, atol=1e-12)
    table = run(*asked).stdout.splitlines()
    assert table[0].endswith(", layer 1")
    assert [int(line.split()[0]) for line in table[2:]] == expected.ids.tolist()
    assert run(*asked, "--token", "99").exit_code == 1


def test_quality_sets_each_k_against_the_trained_one(run: Run, folder: str):
    model = ov.load_model(folder)
    trained = model.geometry.trained_k
    asked = ("quality", "the robot the", "--model", folder, "--k", f"{trained},1")
    found = json.loads(run(*asked, "--json").stdout)
    assert found["reference"] == f"k={trained}"
    same, other = found["rows"]
    assert same["mean_kl"] == 0
    assert same["agreement"] == 1
    assert other["mean_kl"] > 0
    assert other["perplexity"] == pytest.approx(np.exp(other["mean_nll"]))
    lines = run(*asked).stdout.splitlines()
    assert [line.split()[-1] for line in lines[2:]] == [f"k={trained}", "k=1"]
