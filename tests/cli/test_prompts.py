"""Commands that run a model, on a tiny one: where prompts are from, and JSON for scripts."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

import olmoe_viz as ov
from olmoe_viz.requests import AttentionRequest
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


def test_compare_saves_all_texts_which_show_prints_again(run: Run, tmp_path: Path, folder: str):
    asked = ("compare", "the robot", "--model", folder, "--k", "2,4", "--tokens", "4")
    printed = run(*asked, "--save", "texts.safetensors", "--half-logits").stdout
    saved = ov.Comparison.load(tmp_path / "texts.safetensors")
    expected = ov.compare(ov.load_model(folder), "the robot", saved.request.policies, 4)
    assert [each.text for each in saved.generations] == [each.text for each in expected]
    assert {each.logits_precision for each in saved.generations} == {"float16"}
    shown = run("show", "texts.safetensors").stdout
    assert shown.splitlines()[-1] == printed.splitlines()[-1]
    assert shown.count("the robot") == 2


def test_interventions_are_written_as_in_a_link(run: Run, folder: str):
    acting = (ov.Intervention("off", 1, (0, 1, 2)), ov.Intervention("bias", None, 5, amount=1.5))
    policies = [ov.RoutingPolicy(2), ov.RoutingPolicy(2, "native", 0, acting, "restore")]
    options = ("--k", "2", "--intervention", "off:1.0-2", "--intervention", "bias:*.5~1.5")
    asked = ("the robot", "--model", folder, "--json", *options, "--lost-mass", "restore")
    traced = json.loads(run("trace", *asked).stdout)
    model = ov.load_model(folder)
    assert traced["policy"] == str(policies[1])
    assert traced["weights"] == ov.trace(model, "the robot", policies[1]).weights.tolist()
    compared = json.loads(run("compare", *asked, "--tokens", "4").stdout)
    expected = ov.compare(model, "the robot", policies, 4)
    assert [(each["policy"], each["token_ids"]) for each in compared] == [
        (str(policy), each.token_ids.tolist())
        for policy, each in zip(policies, expected, strict=True)
    ]


def test_full_says_the_size_before_the_run_and_saves_the_vectors(
    run: Run, tmp_path: Path, folder: str
):
    ran = run("trace", "the robot", "--model", folder, "--full", "--save", "full.safetensors")
    trace = ov.Trace.load(tmp_path / "full.safetensors")
    assert trace.hidden_states is not None
    size = ov.Trace.file_bytes(trace.request, trace.geometry, len(trace.tokens))
    said = f"Recording {len(trace.tokens)} tokens in full: {size / 1e6:,.1f} MB."
    assert said in ran.stderr.splitlines()
    assert 0 <= (tmp_path / "full.safetensors").stat().st_size - size < 20_000


def test_a_file_in_no_folder_is_refused_before_the_model_is_loaded(run: Run, folder: str):
    for command in ("trace", "compare"):
        ran = run(command, "a", "--model", folder, "--save", "nowhere/run.safetensors")
        assert (ran.exit_code, ran.stdout) == (2, "")
        assert ran.stderr.splitlines()[-1].endswith("There is no folder nowhere.")


def test_ctrl_c_while_a_file_is_written_leaves_the_old_one(
    run: Run, tmp_path: Path, folder: str, saved: ov.Trace, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "answer.json").write_text("[[[3, 1]]]")
    before = {path.name for path in tmp_path.iterdir()}

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    for command in (
        ("trace", "the", "--model", folder, "--save", "old.csv"),
        ("compare", "the", "--model", folder, "--k", "2", "--tokens", "1", "--save", "old.csv"),
        ("import", "answer.json", "--save", "old.csv"),
        ("export", "run.safetensors", "old.csv"),
        ("report", "run.safetensors", "--save", "old.csv"),
    ):
        (tmp_path / "old.csv").write_text("old")
        assert (run(*command).exit_code, command) == (1, command)
        assert (tmp_path / "old.csv").read_text() == "old"
        assert {path.name for path in tmp_path.iterdir()} == {*before, "old.csv"}


def test_show_opens_what_a_program_saved_of_one_token(run: Run, tmp_path: Path, folder: str):
    model = ov.load_model(folder)
    trace = ov.trace(model, "the robot the", ov.RoutingPolicy(2), "full")
    ov.inspect(model, trace, 1, 2, [trace.policy]).save(tmp_path / "token.safetensors")
    printed = run("inspect", "the robot the", "--model", folder, "--k", "2", "--layer", "1")
    shown = run("show", "token.safetensors").stdout.splitlines()
    assert shown[0].startswith("inspection recorded ")
    assert shown[2:] == printed.stdout.splitlines()[1:]
    seen = ov.LocalEngine(model).submit(AttentionRequest(trace.request, 1, 2, 3)).result()
    seen.save(tmp_path / "heads.safetensors")
    first, where, _, *heads = run("show", "heads.safetensors").stdout.splitlines()
    assert (first.split()[0], where) == ("attention", "layer 1, from token 2")
    places = [int(line.split()[1]) for line in heads]
    assert places == seen.weights[:, -1].argmax(axis=-1).tolist()


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
    assert table[1] == (
        "input of the run with k=2; k=4: chosen from the same router logits, with no run of its own"
    )
    assert found["input_of_run"] == "k=2"
    assert [int(line.split()[0]) for line in table[3:]] == expected.ids.tolist()
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
    printed = run(*asked)
    lines = printed.stdout.splitlines()
    assert [line.split()[-1] for line in lines[4:]] == [f"k={trained}", "k=1"]
    # What each column was measured on: the first token is read and not predicted.
    tokens = len(ov.trace(model, "the robot the").tokens)
    assert lines[0].endswith(f", {tokens} tokens read")
    assert lines[1] == f"perplexity, nll: of the {tokens - 1} tokens after the first"
    assert f"after each of the {tokens}, against k={trained} as trained" in lines[2]
    assert f"with k={trained}, k=1, and with k={trained}, the trained k" in printed.stderr
