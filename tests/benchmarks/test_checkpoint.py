"""A checkpoint made by the benchmarks is loaded by its folder, and all can be asked of it."""

import json
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from safetensors import safe_open

import olmoe_viz as ov
from benchmarks import checkpoint, real
from benchmarks.random_model import geometry_of
from olmoe_viz.models.files import weight_files
from olmoe_viz.numerics.costs import total_parameters
from olmoe_viz.numerics.geometry import OLMOE_1B_7B
from olmoe_viz.requests import Request


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint") / "tiny"
    options = ["--geometry", "tiny", "--layers", "3", "--dtype", "float32", "--shard", "1MB"]
    checkpoint.main([str(folder), *options])
    return folder


def test_the_checkpoint_is_loaded_by_its_folder(folder: Path):
    model = ov.load_model(str(folder), device="cpu")
    assert len(weight_files(folder)) > 1
    assert model.geometry == geometry_of("tiny", 3)
    assert model.dtype == torch.float32
    assert model.capabilities == {"steer", "rows_join", "details"}
    assert model.module.generation_config.eos_token_id == model.tokenizer.eos_token_id
    trace = ov.trace(model, "hello")
    assert np.ptp(trace.router_logits) > 0


def test_each_expert_has_the_weights_of_its_tensors(folder: Path):
    """The format is the hub's, with a tensor for every expert; loading joins them."""
    module = ov.load_model(str(folder), device="cpu").module
    found = {}
    for file in weight_files(folder):
        with safe_open(file, "pt") as tensors:
            found |= {name: tensors.get_tensor(name) for name in tensors.keys()}  # noqa: SIM118
    experts = module.model.layers[1].mlp.experts
    prefix = "model.layers.1.mlp.experts.5"
    gate_up = [found[f"{prefix}.{name}_proj.weight"] for name in ("gate", "up")]
    assert torch.equal(experts.gate_up_proj[5], torch.cat(gate_up))
    assert torch.equal(experts.down_proj[5], found[f"{prefix}.down_proj.weight"])
    assert found["model.norm.weight"].unique().tolist() == [1]


def test_the_whole_one_has_the_parameters_of_olmoe():
    shapes = checkpoint.tensor_shapes(OLMOE_1B_7B).values()
    assert sum(int(np.prod(shape)) for shape in shapes) == total_parameters(OLMOE_1B_7B)


def in_this_process(call: list[str]) -> float:
    """Stand in for a process that imports torch and loads, which this one has imported."""
    return real._loaded(real._options().parse_args(call[3:]))[1]


@pytest.mark.early
def test_everything_is_asked_of_it(
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    in_full: bool,
):
    if not in_full:
        monkeypatch.setattr(real, "_child", in_this_process)
    file = tmp_path / "real.json"
    real.main([str(folder), "--device", "cpu", "--tokens", "40", "--json", str(file)])
    measured: dict[str, Any] = json.loads(file.read_text("utf-8"))
    assert measured["load"].keys() == {"cold", "warm"}
    assert measured["seconds"].keys() == {"load", *(kind.__name__ for kind in get_args(Request))}
    assert measured["placed"] == ["cpu"]
    assert measured["memory"]["cpu"] > 10**8
    out = capsys.readouterr().out
    assert "cold page cache: bytes read in" in out
    assert "fits a card of 24 GB" in out


def test_a_text_is_no_longer_than_the_model_reads(folder: Path):
    model = ov.load_model(str(folder), device="cpu")
    lengths = {len(r.text) for r in real.every_request(model, 10**6) if hasattr(r, "text")}
    assert lengths == {256 - 16}
