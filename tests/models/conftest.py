from collections.abc import Callable
from pathlib import Path
from shutil import copytree

import pytest

from tests.engine.tiny import write_checkpoint


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture
def copied(original: Path, tmp_path: Path) -> Callable[[], Path]:
    """Return a function that makes a copy of the checkpoint to spoil."""
    return lambda: Path(copytree(original, tmp_path / "copy"))
