"""A small random model behind an engine, and what transformers makes of the same weights."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from transformers import OlmoeForCausalLM

from olmoe_viz import LocalEngine, load_model
from olmoe_viz.engine.engine import Ask, asking
from olmoe_viz.models.model import Model
from tests.engine.tiny import load_stock, write_checkpoint


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture(scope="session")
def model(checkpoint: Path) -> Model:
    return load_model(str(checkpoint), device="cpu")


@pytest.fixture(scope="session")
def ask(model: Model) -> Ask:
    return asking(LocalEngine(model))


@pytest.fixture(scope="session")
def stock(checkpoint: Path) -> Callable[[int], OlmoeForCausalLM]:
    """Return transformers' own model at a k."""
    return cache(lambda k: load_stock(checkpoint, k))
