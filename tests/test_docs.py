"""What the documents show runs as it stands there, and they name what there is.

Every command of the READMEs and of docs/ is in one of three lists below: those that serve the
application, those that run and end, and those that are not run here, with the reason.
"""

import json
import re
import shlex
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from olmoe_viz import RoutingPolicy, Trace
from olmoe_viz.cli import main
from tests.installation import MAKE, ROOT, Installation
from tests.servers import answers, started

README, ARCHITECTURE = ROOT / "README.md", ROOT / "docs" / "architecture.md"
DOCUMENTS = [README, ROOT / "benchmarks" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

SERVERS = {"make app", "olmoe-viz app", "streamlit run app.py"}
RUNS = {
    'olmoe-viz trace "Once upon a time" --k 16 --save run.safetensors': "k=16",
    'olmoe-viz trace "Once upon a time" --k 8 --save other.safetensors': "k=8",
    'olmoe-viz compare "Once upon a time" --k 8,64 --tokens 20': "k=64",
    'olmoe-viz inspect "Once upon a time" --layer 3 --k 8,16': ", layer 3",
    'olmoe-viz effects "Once upon a time" --layer 3': "log-prob. change",
    "olmoe-viz ablate texts.txt effects --tokens 2 --layers 0,15": "2 documents in effects",
    'olmoe-viz quality "Once upon a time there was" --k 8,64': "k=64",
    "olmoe-viz check olmoe-nano": "0 failed",
    "olmoe-viz models": "olmoe-nano",
    "olmoe-viz show run.safetensors": "next token:",
    "olmoe-viz diff run.safetensors other.safetensors": "second: random, k=3",
    "olmoe-viz report run.safetensors other.safetensors --save report.html": "",
    "olmoe-viz export run.safetensors routes.parquet": "",
    "olmoe-viz import answer.json --save routes.csv": "1 tokens, 1 layers",
    "olmoe-viz --help": "Commands:",
    "python -m olmoe_viz.cli --help": "Commands:",
    "python -m benchmarks.decode --model random:tiny --device cpu --sections mixed --rounds 1 "
    "--tokens 3": "| one batch |",
    "python -m benchmarks.decode --help": "usage:",
    "python -m benchmarks.tables benchmarks/measured/cpu.json": "### One row",
}
DIFFERENT = "olmoe-viz diff run.safetensors other.safetensors"  # as of diff, the exit code is 1
WRITTEN = ("report.html", "routes.parquet", "routes.csv")
NOT_RUN_HERE = {
    "make test": "it is what runs this test",
    "make test-long": "has this test among its own",
    "make cluster-test": "installs Ray first; the test that it runs is one of make test-long",
    "make audit": "asks a database of advisories on the network",
    "python -m benchmarks.classroom --visitors 40 --tabs 2": (
        "takes minutes; its visitors ask in tests/engine/serving/test_pages.py"
    ),
    "python -m benchmarks.classes --throughput 250": "takes seconds; a test runs its simulation",
    "olmoe-viz serve --port 8600": "tests/engine/serving serves the same on a free port",
    "olmoe-viz serve": "the same, in a sentence",
    "make worksheet": "a test makes the same document",
    "make wheel": "the tests of the installed package build their wheel with it",
    "pip install .": "gets libraries from a registry; the tests install the wheel without them",
    "pip install -r requirements.txt": "gets libraries from a registry; make does it before tests",
    "python -m benchmarks.decode --json cpu.json": "takes half an hour; a test runs it tiny",
    "python -m benchmarks.decode --model random:olmoe-1b-7b --device cuda --json gpu.json": (
        "needs a GPU"
    ),
    "python -m benchmarks.checkpoint /tmp/olmoe": "writes 14 GB; a test writes a tiny one",
    "python -m benchmarks.real /tmp/olmoe --json real.json": "loads 14 GB; a test loads a tiny one",
    "python -m benchmarks.real /tmp/olmoe --spread 9": "needs two GPUs",
    "python -m benchmarks.effects": "takes a minute; its calls are those of the notebook",
    "python -m benchmarks.ui": "takes minutes; its pages are those of the browser tests",
    "python -m benchmarks.viewer": "a browser test visits the same server, in the long form",
    "pip install -r requirements-viewer.txt": "gets libraries from a registry",
}

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`((?:make|pip|python3?|olmoe-viz|streamlit|git|docker|uv|\./\S+) [^`]+)`")


def commands(text: str) -> set[str]:
    """Find the shell commands of a document, in its blocks and in its sentences."""
    lines = [
        line for kind, block in _FENCE.findall(text) if kind == "sh" for line in block.splitlines()
    ]
    written = [re.sub(r"\s+# .*", "", line) for line in lines if line and not line.startswith("#")]
    return {*written, *_INLINE.findall(_FENCE.sub("", text))}


def all_commands() -> set[str]:
    return set().union(*(commands(path.read_text("utf-8")) for path in DOCUMENTS))


def arguments(command: str) -> list[str]:
    """Split a command; make leaves out what sets up an environment, as the tests run in one."""
    program, *rest = shlex.split(command)
    return [*MAKE, *rest] if program == "make" else [program, *rest]


def folder_of(command: str, apart: Path) -> Path:
    """Return where to run a command: what is installed must not need the project's folder."""
    return apart if command.startswith("olmoe-viz") else ROOT


def test_every_command_is_in_one_list():
    assert all_commands() == {*SERVERS, *RUNS, *NOT_RUN_HERE}
    assert not SERVERS & RUNS.keys()
    assert not NOT_RUN_HERE.keys() & {*SERVERS, *RUNS}
    assert all(NOT_RUN_HERE.values())


def test_every_command_of_ours_is_documented_and_its_help_has_the_same_example():
    written = [each for each in commands(README.read_text("utf-8")) if "olmoe-viz " in each]
    for name, command in main.commands.items():
        examples = [each for each in written if each.startswith(f"olmoe-viz {name}")]
        assert examples, name
        assert command.epilog in (None, *(f"Try: {each}" for each in examples))
        assert command.epilog or name == "app"


def test_a_new_command_is_found_wherever_it_stands():
    text = "Say `make tea` or\n\n```sh\n# first\nmake coffee  # black\n```\n\n`pip install tea`"
    assert commands(text) == {"make tea", "make coffee", "pip install tea"}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_block_says_what_it_holds(path: Path):
    text = path.read_text("utf-8")
    assert {kind for kind, _ in _FENCE.findall(text)} <= {"sh", "python", "text"}
    # A block that is indented could hide a command from this test.
    assert not re.search(r"\n\n {4}\S", _FENCE.sub("", text))


@pytest.mark.early
@pytest.mark.parametrize("command", sorted(SERVERS))
def test_a_server_of_the_documents_starts(command: str, tmp_path: Path, installation: Installation):
    folder = folder_of(command, tmp_path)
    with started(arguments(command), folder, installation.variables) as address:
        assert answers(address)


@pytest.fixture
def saved_runs(tmp_path: Path, make_trace: Callable[..., Trace]) -> Path:
    """Return a folder with the files that the commands of the documents read."""
    make_trace().save(tmp_path / "run.safetensors")
    make_trace(policy=RoutingPolicy(3)).save(tmp_path / "other.safetensors")
    (tmp_path / "texts.txt").write_text("A cat sat.\n\nA dog ran.\n", encoding="utf-8")
    (tmp_path / "answer.json").write_text('{"routed_experts": [[[3, 1]]]}', encoding="utf-8")
    return tmp_path


@pytest.mark.early
@pytest.mark.parametrize("installed", [True, False])
def test_the_commands_of_the_documents_run(
    installed: bool, saved_runs: Path, installation: Installation
):
    """In one process, which imports torch once; each in its own in the long form."""
    apart = [command for command in sorted(RUNS) if command.startswith("olmoe-viz") == installed]
    # -P: the folder of this script is not among those of modules.
    way = ["python", "-P", ROOT / "tests" / "commands.py"]
    ran = subprocess.run(
        [*way, *apart] if installed else ["python", "-m", "tests.commands", *apart],
        cwd=folder_of(apart[0], saved_runs),
        env=installation.variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    for command, (code, printed) in zip(apart, json.loads(ran.stdout), strict=True):
        assert code == (command == DIFFERENT), (command, ran.stderr)
        assert RUNS[command] in printed, command
    assert [(saved_runs / name).exists() for name in WRITTEN] == [installed] * 3
    assert (Trace.load(saved_runs / "run.safetensors").policy.k == 16) == installed


@pytest.mark.long
@pytest.mark.parametrize("command", sorted(RUNS))
def test_a_command_of_the_documents_runs(
    command: str, saved_runs: Path, installation: Installation
):
    ran = subprocess.run(
        arguments(command),
        cwd=folder_of(command, saved_runs),
        env=installation.variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == (command == DIFFERENT), ran.stderr
    assert RUNS[command] in ran.stdout
    assert all((saved_runs / name).exists() == (name in command) for name in WRITTEN)
    saves = "--save run.safetensors" in command
    assert (Trace.load(saved_runs / "run.safetensors").policy.k == 16) == saves


def test_the_readmes_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    blocks = [
        block for kind, block in _FENCE.findall(README.read_text("utf-8")) if kind == "python"
    ]
    assert len(blocks) == 2
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)  # noqa: S102 - our own text
    assert [len(run.tokens) for run in (names["run"], names["trace"])] == [40, 11]


def test_the_readme_names_the_torch_that_is_pinned():
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    (torch,) = (Requirement(line) for line in lines if line.startswith("torch="))
    assert f"`{torch}+cpu`" in README.read_text("utf-8")


@pytest.mark.parametrize("name", ["map", "compare"])
def test_a_picture_of_the_readme_is_wide_and_light(name: str):
    path = ROOT / "docs" / f"{name}.png"
    content = path.read_bytes()
    assert f"](docs/{name}.png)" in README.read_text("utf-8")
    # The width stands first in a PNG's header.
    assert struct.unpack(">8s4x4sI", content[:20]) == (b"\x89PNG\r\n\x1a\n", b"IHDR", 1440)
    assert len(content) < 400_000


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path):
    links = re.findall(r"\]\(([^):]+)\)", path.read_text("utf-8"))
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_the_architecture_names_files_and_functions_that_there_are():
    text = ARCHITECTURE.read_text("utf-8")
    files = set(re.findall(r"\b((?:\w+/)+\w+\.(?:py|js))", text))
    roots = ROOT, ROOT / "olmoe_viz"
    assert len(files) > 20
    assert [name for name in files if not any((root / name).exists() for root in roots)] == []
    named = re.findall(r"`((?:\w+/)+\w+\.py): (\w+)", text)
    assert len(named) > 10
    for name, function in named:
        source = (ROOT / "olmoe_viz" / name).read_text("utf-8")
        assert re.search(rf"^(def|class) {function}\b", source, re.MULTILINE), (name, function)
