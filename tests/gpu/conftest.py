"""Tests that need a GPU; `make gpu-test` runs them where one is.

The models have OLMoE-1B-7B's sizes with fewer layers and random weights, made on the device.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch

from benchmarks.random_model import geometry_of, private_copy, random_model
from olmoe_viz.engine import decoders
from olmoe_viz.models.model import Model

if TYPE_CHECKING:
    from olmoe_viz.engine.gpu_decoder import GpuKernels  # with Triton, which is where a GPU is

if not torch.cuda.is_available():
    collect_ignore_glob = ["test_*.py"]

LAYERS = 4


@pytest.fixture(scope="session")
def model() -> Model:
    return random_model(geometry_of("olmoe-1b-7b", LAYERS), torch.device("cuda"), torch.bfloat16)


@pytest.fixture(scope="session")
def kernels(model: Model) -> "GpuKernels":
    made = decoders.kernels_of(model)
    assert not isinstance(made, str), made
    return made


@pytest.fixture
def twin(model: Model) -> Iterator[Model]:
    """The same weights as another model, whose kernels have not been made."""
    yield replace(model, module=private_copy(model.module))
    torch.cuda.empty_cache()
