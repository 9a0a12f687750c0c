"""The tables of the benchmarks' README are those of the measured files, word for word."""

import json
from pathlib import Path

import pytest

from benchmarks import tables

FOLDER = Path(tables.__file__).parent
MEASURED = sorted((FOLDER / "measured").glob("*.json"))


@pytest.mark.parametrize("file", MEASURED, ids=lambda file: file.name)
def test_the_readme_shows_what_was_measured(file: Path):
    lines = tables.render(json.loads(file.read_text("utf-8")))
    assert "\n".join(lines) in (FOLDER / "README.md").read_text("utf-8")


def test_something_was_measured():
    assert MEASURED
