from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
import torch
from transformers import OlmoeForCausalLM

from olmoe_viz.engine import threads
from olmoe_viz.models.load import Model, load_model
from tests.engine.tiny import load_stock, write_checkpoint


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny products on several threads wait for each other whenever the machine is busy."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threads, "ALL", 1)
        torch.set_num_threads(1)
        yield


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def model(folder: Path) -> Model:
    return load_model(str(folder), device="cpu")


@pytest.fixture(scope="session")
def stock(folder: Path) -> Callable[[int], OlmoeForCausalLM]:
    """Return transformers' own model at a k."""
    return cache(lambda k: load_stock(folder, k))


@pytest.fixture(scope="session")
def bundled() -> Model:
    return load_model(device="cpu")
