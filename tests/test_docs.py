"""The README's Python runs as it stands there, and the documents name what there is."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README, ARCHITECTURE = ROOT / "README.md", ROOT / "docs" / "architecture.md"


def test_the_readmes_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    blocks = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    assert len(blocks) == 2
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)  # noqa: S102 - our own text
    assert [len(run.tokens) for run in (names["run"], names["trace"])] == [40, 11]


@pytest.mark.parametrize(
    "path", [README, *(ROOT / "docs").glob("*.md")], ids=lambda path: path.name
)
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
