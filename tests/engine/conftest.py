from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch
from transformers import OlmoeForCausalLM

from olmoe_viz import LocalEngine, RoutingPolicy, Trace, load_model
from olmoe_viz.engine import compiling
from olmoe_viz.engine.engine import Ask, asking
from olmoe_viz.models.model import Model
from olmoe_viz.requests import TraceRequest
from tests.engine.tiny import load_stock, write_checkpoint

TEXT = "Süß 🙂, said the robot."


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Tiny products on several threads wait for each other whenever the machine is busy."""
    torch.set_num_threads(1)


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
def ask(model: Model) -> Ask:
    return asking(LocalEngine(model))


@pytest.fixture(scope="session")
def full(ask: Ask, model: Model) -> Trace:
    """Return a run under the trained k, with its residual stream."""
    return ask(TraceRequest(model.name, TEXT, RoutingPolicy(8), detail="full"))


@pytest.fixture(scope="session")
def wide(ask: Ask, model: Model) -> Trace:
    """Return the same with 16 experts."""
    return ask(TraceRequest(model.name, TEXT, RoutingPolicy(16), detail="full"))


@pytest.fixture(scope="session")
def bundled() -> Model:
    return load_model(device="cpu")


@pytest.fixture(scope="session")
def wide_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a checkpoint whose sizes are multiples of the lanes, with shared keys and a clamp."""
    folder = tmp_path_factory.mktemp("lanes")
    return write_checkpoint(folder, hidden_size=64, clip_qkv=1.5)


@pytest.fixture(scope="session")
def wide_model(wide_folder: Path) -> Model:
    model = load_model(str(wide_folder), device="cpu")
    assert compiling.compiled(model).result() is not None
    return model


@pytest.fixture
def engine(model: Model) -> LocalEngine:
    """Return an engine with nothing in its cache."""
    return LocalEngine(model)
