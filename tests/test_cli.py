"""The command `olmoe-viz`, on the bundled model."""

import json
import os
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import olmoe_viz as ov
from olmoe_viz.cli import app, main
from olmoe_viz.cli.compare import as_written, summary
from olmoe_viz.models import catalogue
from olmoe_viz.records.generation import RowStep, Step
from tests.engine.tiny import CHAT_TEMPLATE, write_checkpoint

MakeRun = Callable[..., ov.Generation]
ROOT = Path(__file__).parent.parent
REAL = "allenai/OLMoE-1B-7B-0924"
NOTHING = np.zeros((1, 0), np.float32)


def run(*arguments: str) -> Result:
    """Run a command in this process; its output and exit code are in the result."""
    return CliRunner().invoke(main, arguments, prog_name="olmoe-viz")


def step(*rows: tuple[str, str | None]) -> Step:
    """One step of rows with these texts and finishes."""
    parts = (
        RowStep(0, text, 0.0, finish, NOTHING, NOTHING.astype(np.int16), NOTHING)
        for text, finish in rows
    )
    return Step(0, tuple(parts), 0.1)


@pytest.fixture
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no command load a model."""

    def load(*_: object, **__: object) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr(ov, "load_model", load)


@pytest.mark.parametrize(
    ("options", "policy"),
    [
        (["--k", "16"], ov.RoutingPolicy(16)),
        (["--k", "16", "--threshold", "0.05"], ov.RoutingPolicy(16, threshold=0.05)),
        (["--weighting", "gain-anchored"], ov.RoutingPolicy(8, "gain_anchored")),
        (["--weighting", "gain_anchored"], ov.RoutingPolicy(8, "gain_anchored")),
    ],
    ids=["k", "threshold", "as on the screen", "as in the library"],
)
def test_trace_prints_the_experts_of_every_token_and_saves_them(
    tmp_path: Path, options: list[str], policy: ov.RoutingPolicy
):
    saved = tmp_path / "run.safetensors"
    ran = run("trace", "Once upon a time", *options, "--save", str(saved))
    assert ran.exit_code == 0
    trace = ov.Trace.load(saved)
    assert trace.policy == policy

    printed, strongest = ran.stdout.splitlines(), trace.expert_ids[..., 0]
    assert printed[0].endswith(f", {policy}")
    for position, line in enumerate(printed[2 : 2 + len(trace.tokens)]):
        token_id, mass, *experts = line.split()[: 2 + trace.geometry.layers]
        assert int(token_id) == trace.token_ids[position]
        assert list(map(int, experts)) == strongest[:, position].tolist()
        best = np.sort(ov.routing.probabilities(trace.router_logits[:, position]))[:, -policy.k :]
        kept = np.where(best >= policy.threshold, best, 0).sum(axis=-1)
        kept = np.maximum(kept, best[:, -1])  # the strongest always runs
        assert float(mass) == pytest.approx(kept.mean(), abs=0.0051)
    token_id, probability, token = printed[-5].split(maxsplit=2)
    assert int(token_id) == trace.next_ids[0]
    assert float(probability) == pytest.approx(trace.next_probabilities()[0], abs=0.00051)
    alone = ov.trace(ov.load_model(), [int(token_id)])
    assert token == alone.tokens[0].strip()


def test_compare_prints_the_text_of_every_k_and_one_speed():
    prompt, ks = "The robot said", (8, 64)
    ran = run("compare", prompt, "--k", "8,64", "--tokens", "6")
    assert ran.exit_code == 0
    *texts, facts = ran.stdout.split("\n\n")
    assert [line for text in texts for line in text.splitlines() if line[:2] == "k="] == [
        "k=8",
        "k=64",
    ]
    policies = [ov.RoutingPolicy(k) for k in ks]
    for written in ov.compare(ov.load_model(), prompt, policies, max_new_tokens=6):
        assert written.text in ran.stdout
    assert [line.split(":")[0] for line in facts.splitlines()[:2]] == ["k=8", "k=64"]
    assert facts.splitlines()[2].startswith("12 tokens in ")


def test_the_first_text_is_printed_as_it_is_written_and_the_next_when_it_ends():
    policies = [ov.RoutingPolicy(8), ov.RoutingPolicy(16), ov.RoutingPolicy(32)]
    waits: Iterator[Step] = iter(
        [
            step(("a", None), ("x", None), ("1", None)),
            step((" b", "end"), (" y", None), (" 2", "length")),
            step(("", "end"), (" z", "length"), ("", "length")),
        ]
    )
    parts = as_written(policies, waits)
    assert [next(parts), next(parts)] == ["k=8\n", "a"]
    assert "".join(parts) == " b\n\nk=16\nx y z\n\nk=32\n1 2\n\n"


def test_a_threshold_counts_the_parameters_that_ran(
    make_generation: MakeRun, geometry: ov.Geometry
):
    sizes = replace(geometry, hidden=240, intermediate=100)
    runs = [
        make_generation(policy=ov.RoutingPolicy(8, threshold=threshold), geometry=sizes)
        for threshold in (0, 1)
    ]
    for line, k in zip(summary(runs).splitlines(), (8, 1), strict=False):
        active = ov.costs.active_parameters(sizes, k) / 1e6
        assert line.endswith(f": {active:,.1f} M active parameters")


@pytest.mark.parametrize(("options", "templated"), [((), True), (("--no-chat-template",), False)])
def test_a_text_goes_into_the_chat_template_unless_told_otherwise(
    tmp_path: Path, options: tuple[str, ...], templated: bool
):
    folder = write_checkpoint(tmp_path, chat_template=CHAT_TEMPLATE, num_hidden_layers=1)
    where = ("--model", str(folder), *options)
    ran = run("trace", "the robot", *where)
    tokens = [line[17:] for line in ran.stdout.split("next token")[0].splitlines()[2:]]
    assert [token[1:] for token in tokens if token[0] == " "] == ["the", " robot"]
    marked = "".join(token[1:] for token in tokens if token[0] == "|")
    assert marked == "<|endoftext|><|user|>␊␊<|assistant|>␊" * templated

    ran = run("compare", "the robot", "--k", "8", "--tokens", "3", *where)
    (written,) = ov.compare(
        ov.load_model(str(folder)),
        "the robot",
        [ov.RoutingPolicy(8)],
        max_new_tokens=3,
        chat_template=templated,
    )
    assert ran.stdout.startswith(f"k=8\n{written.text}\n")


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize("model", [entry.name for entry in catalogue.CATALOGUE])
@pytest.mark.parametrize(
    ("command", "k", "sentence"),
    [
        ("trace", "99", "k must be from 1 to 64; it is 99."),
        ("compare", "8,16,99", "k must be from 1 to 64; it is 99."),
        ("trace", "8-8", "The policy has a k for each of 2 layers, the model has 16."),
    ],
)
def test_a_k_that_does_not_fit_is_refused_before_the_model_is_loaded(
    command: str, model: str, k: str, sentence: str
):
    ran = run(command, "a", "--k", k, "--model", model)
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert ran.stderr.splitlines()[-1] == f"Error: {sentence}"


@pytest.mark.usefixtures("no_model")
def test_the_sizes_of_a_folder_are_read_from_its_configuration(tmp_path: Path):
    sizes = {"num_hidden_layers": 2, "num_experts": 4}
    (tmp_path / "config.json").write_text(json.dumps(sizes), encoding="utf-8")
    ran = run("trace", "a", "--k", "5", "--model", str(tmp_path))
    assert ran.stderr.splitlines()[-1] == "Error: k must be from 1 to 4; it is 5."


@pytest.mark.parametrize("config", ["", "[]", "null", "{}", '{"num_experts": "4"}'])
def test_a_folder_without_readable_sizes_is_left_to_the_loader(tmp_path: Path, config: str):
    (tmp_path / "config.json").write_text(config, encoding="utf-8")
    ran = run("trace", "a", "--model", str(tmp_path))
    assert ran.exit_code == 1
    assert str(tmp_path) in ran.stderr


class TestDownload:
    """A model that is not here is downloaded after a yes alone."""

    @pytest.fixture(autouse=True)
    def loaded(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """Names of the models that were loaded, each of which is refused then."""
        names: list[str] = []

        def load(name: str, **_: object) -> None:
            names.append(name)
            raise ov.ModelError("Loaded.")

        monkeypatch.setattr(ov, "load_model", load)
        return names

    @pytest.fixture
    def there(self, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
        """Set what the machine has of the model: nothing, unless told."""

        def have(*, complete: bool = False, arrived: int = 0, off: bool = False) -> None:
            state = catalogue.OnDisk(complete, arrived, 10**11, off)
            monkeypatch.setattr(catalogue, "on_disk", lambda _: state)

        have()
        return have

    @pytest.mark.usefixtures("there")
    @pytest.mark.parametrize("command", ["trace", "compare"])
    @pytest.mark.parametrize(("answer", "loads"), [("y\n", True), ("n\n", False), ("", False)])
    def test_asks_first(self, loaded: list[str], command: str, answer: str, loads: bool):
        ran = CliRunner().invoke(main, [command, "a", "--model", REAL], input=answer)
        assert ran.exit_code == 1
        assert loaded == [REAL] * loads
        assert "GB must be downloaded" in ran.stderr
        assert "100.0 GB of the disk are free" in ran.stderr
        assert "15.2 GB of memory" in ran.stderr
        assert ran.stdout.strip() in ("", answer.strip())  # what was typed

    def test_says_what_is_missing(self, there: Callable[..., None]):
        there(arrived=catalogue.find(REAL).download - 1_500_000_000)
        ran = CliRunner().invoke(main, ["trace", "a", "--model", REAL], input="n\n")
        assert "About 1.5 GB must be downloaded, 2 minutes" in ran.stderr

    @pytest.mark.usefixtures("there")
    def test_a_revision_is_asked_for_by_its_name(self, loaded: list[str]):
        asked = ("trace", "a", "--model", REAL, "--revision", "step10000-tokens41B")
        ran = CliRunner().invoke(main, asked, input="n\n")
        assert f"{REAL}@step10000-tokens41B is not on this machine" in ran.stderr
        run(*asked, "--yes")
        assert loaded == [f"{REAL}@step10000-tokens41B"]

    @pytest.mark.usefixtures("there")
    def test_yes_is_the_answer(self, loaded: list[str]):
        assert "downloaded" not in run("trace", "a", "--model", REAL, "--yes").stderr
        assert loaded == [REAL]

    @pytest.mark.parametrize("state", [{"complete": True}, {"off": True}])
    def test_nothing_is_asked_where_nothing_is_downloaded(
        self, loaded: list[str], there: Callable[..., None], state: dict[str, bool]
    ):
        there(**state)
        assert "downloaded" not in run("trace", "a", "--model", REAL).stderr
        assert loaded == [REAL]


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["trace", "a", "--threshold", "2"], 2, "from 0 to 1"),
        (["trace", "a", "--k", "0"], 2, "at least 1"),
        (["trace", "a", "--k", "8,16"], 2, "Write k=16"),
        (["trace", "a", "--k", "65"], 2, "from 1 to 64"),
        (["compare", "a", "--k", "8,x"], 2, "Write k=16"),
        (["compare", "a", "--intervention", "off:7"], 2, "Write off:7.20"),
        (["trace", "a", "--weighting", "none"], 2, "gain-anchored"),
        (["trace"], 2, "PROMPT"),
        (["measure"], 2, "measure"),
        (["app", "--port", "0"], 2, "1<=x<=65535"),
        (["trace", "a", "--model", "/no/such/folder"], 1, "/no/such/folder"),
        (["trace", "a", "--revision", "main"], 1, "olmoe-nano has no revisions"),
        (["trace", "a", "--model", REAL, "--revision", "../x"], 1, "has no revision '../x'"),
        (["trace", ""], 1, "no text"),
        (["compare", "a", "--tokens", "0"], 1, "token"),
        (["trace", "a", "--save", "/no/such/folder/run"], 2, "/no/such/folder"),
    ],
)
def test_a_mistake_is_one_sentence(arguments: list[str], code: int, sentence: str):
    ran = run(*arguments)
    assert ran.exit_code == code
    # Loading a model shows its progress before.
    assert ran.stderr.splitlines()[-1].startswith("Error: ")
    assert sentence in ran.stderr.splitlines()[-1]


def test_what_was_written_before_a_failure_is_printed(
    monkeypatch: pytest.MonkeyPatch, make_generation: MakeRun
):
    class Broken:
        error = "The memory ran out."

        def __enter__(self) -> Iterator[Step]:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def __iter__(self) -> Iterator[Step]:
            return iter([step(("so far \x1b[2J", None)), step(("", "error"))])

        def generations(self) -> tuple[ov.Generation, ...]:
            return (make_generation(),)

    monkeypatch.setattr(ov, "stream", lambda *_, **__: Broken())
    ran = run("compare", "a", "--k", "8")
    assert ran.exit_code == 1
    assert ran.stdout == "k=8\nso far ␛[2J\n\n"
    assert ran.stderr.splitlines()[-1] == "Error: The memory ran out."


def test_help_opens_with_what_a_person_can_do():
    shown = run("--help")
    assert shown.exit_code == 0
    opening = shown.stdout.split("Options:")[0]
    assert "See which experts" in opening
    assert "olmoe-viz app" in opening
    assert not {"import", "torch", "streamlit", "module"} & set(opening.lower().split())
    for command in main.commands:
        assert f"\n  {command} " in shown.stdout
        assert run(command, "--help").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ([], []),
        (["--port", "8600"], ["--server.port=8600"]),
        (["--no-browser"], ["--server.headless=true"]),
    ],
)
def test_app_starts_streamlit_on_the_application(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], options: list[str]
):
    started: list[list[str]] = []
    monkeypatch.setattr(sys, "argv", [])
    monkeypatch.setattr(runpy, "run_module", lambda *_, **__: started.append(sys.argv))
    assert run("app", *arguments).exit_code == 0
    assert started == [["streamlit", "run", str(ROOT / "app.py"), *options]]


def test_an_installed_package_brings_its_own_application(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    inside = tmp_path / "application" / "app.py"
    inside.parent.mkdir()
    inside.touch()
    monkeypatch.setattr(sys.modules[app.callback.__module__], "PACKAGE", tmp_path)
    assert sys.modules[app.callback.__module__].script() == inside


def test_the_module_runs():
    ran = subprocess.run(
        [sys.executable, "-m", "olmoe_viz.cli", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.startswith("Usage: olmoe-viz ")


def test_waiting_threads_sleep_before_torch_is_there():
    script = """
import os, sys
from olmoe_viz.cli import main
before = os.environ.get("OMP_WAIT_POLICY")
try:
    main(["trace", "a", "--k", "99"])
except SystemExit:
    print(before, os.environ["OMP_WAIT_POLICY"], "torch" in sys.modules)
"""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    ran = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.splitlines()[-1] == "None passive False"
