import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
import torch
from huggingface_hub.errors import (
    GatedRepoError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

import olmoe_viz as ov
from olmoe_viz.models import load, memory
from olmoe_viz.models.catalogue import CATALOGUE, bundled_path, find
from tests.engine.tiny import write_checkpoint

Copied = Callable[[], Path]
REAL = "allenai/OLMoE-1B-7B-0924"


def refused(words: str, name: object, **options: object) -> None:
    with pytest.raises(ov.ModelError, match=words):
        ov.load_model(str(name), **options)


def test_the_bundled_model_is_ready_to_run() -> None:
    model = ov.load_model()
    assert (model.geometry.layers, model.geometry.experts, model.geometry.trained_k) == (16, 64, 8)
    assert not model.module.training
    assert not any(weight.requires_grad for weight in model.module.parameters())
    assert model.digest.startswith("sha256:")
    assert model.revision is None
    assert find("olmoe-nano") is CATALOGUE[0]


def test_a_model_that_was_saved_again_gives_the_same_trace(original: Path, tmp_path: Path) -> None:
    first = ov.load_model(str(original))
    first.module.save_pretrained(tmp_path)
    first.tokenizer.save_pretrained(tmp_path)
    second = ov.load_model(str(tmp_path))
    ours, theirs = (ov.trace(model, "the ball", detail="full") for model in (first, second))
    np.testing.assert_array_equal(ours.router_logits, theirs.router_logits)
    np.testing.assert_array_equal(ours.expert_outputs, theirs.expert_outputs)


def test_the_digest_is_of_the_weights_and_not_of_their_place(
    original: Path, copied: Copied
) -> None:
    copy = copied()
    assert ov.load_model(str(original)).digest == ov.load_model(str(copy)).digest
    digests = sorted(hashlib.sha256(f.read_bytes()).hexdigest() for f in copy.glob("*.safetensors"))
    expected = hashlib.sha256("\n".join(digests).encode()).hexdigest()
    assert ov.load_model(str(copy)).digest == f"sha256:{expected}"


@pytest.mark.parametrize("dtype", ["bfloat16", torch.float32])
def test_the_dtype_can_be_chosen(original: Path, dtype: str | torch.dtype) -> None:
    model = ov.load_model(str(original), device="cpu", dtype=dtype)
    assert str(model.dtype).endswith(str(dtype).removeprefix("torch."))
    assert ov.trace(model, "the ball").provenance.dtype in str(model.dtype)
    assert len(ov.compare(model, "the ball", [ov.RoutingPolicy(64)], 3)[0].token_ids) == 3


def test_names_and_wishes_that_cannot_be_met(original: Path) -> None:
    refused("no model and no folder named 'nowhere'.*olmoe-nano", "nowhere")
    refused("has no revisions", original, revision="main")
    refused("not a device", original, device="tpu")
    refused("not supported. Use cpu or cuda", original, device="meta")
    refused("no device cuda:31", original, device="cuda:31")
    refused("Use float32", original, dtype="int8")


def test_what_is_not_olmoe_is_refused(copied: Copied) -> None:
    folder = copied()
    config = json.loads((folder / "config.json").read_text())
    for change, words in (
        ({"model_type": "llama"}, "is not an OLMoE model .*'llama'"),
        ({"norm_topk_prob": True}, "renormalizes its routing weights"),
        ({"num_experts_per_tok": 65}, "is not usable"),
        ({"hidden_size": 64}, "do not fit|incomplete"),
    ):
        (folder / "config.json").write_text(json.dumps(config | change))
        refused(words, folder)
    (folder / "config.json").write_text("[")
    refused("not readable", folder)
    (folder / "config.json").unlink()
    refused("no config.json", folder)


def test_missing_files_are_named(copied: Copied) -> None:
    folder = copied()
    (folder / "tokenizer.json").rename(folder / "away")
    refused("has no tokenizer.json", folder)
    (folder / "tokenizer.json").write_text("{")
    refused("tokenizer .* not readable", folder)
    (folder / "away").rename(folder / "tokenizer.json")
    shard = sorted(folder.glob("*.safetensors"))[1]
    shard.unlink()
    refused(f"{shard.name} is missing", folder)
    for file in folder.glob("*.safetensors*"):
        file.unlink()
    (folder / "pytorch_model.bin").write_bytes(b"never opened")
    refused("Only safetensors", folder)


def test_damaged_files_are_named(copied: Copied) -> None:
    folder = copied()
    shard = sorted(folder.glob("*.safetensors"))[0]
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-100])
    refused(f"{shard.name} is incomplete or damaged", folder)
    shard.write_bytes(b"\xff" * 1000)
    refused(f"{shard.name} is damaged", folder)
    shard.write_bytes(whole)
    index = folder / "model.safetensors.index.json"
    listed = json.loads(index.read_text())
    index.write_text(json.dumps(listed | {"weight_map": {"a": "../secret"}}))
    refused("index.json is damaged", folder)
    index.write_text("{}")
    refused("index.json is damaged", folder)


def test_one_flipped_bit_is_found_by_the_checksum(copied: Copied) -> None:
    folder = copied()
    files = sorted(folder.glob("*.safetensors"))
    lines = [f"{hashlib.sha256(f.read_bytes()).hexdigest()}  {f.name}" for f in files]
    (folder / "SHA256SUMS").write_text("\n".join(lines))
    ov.load_model(str(folder))
    content = bytearray(files[1].read_bytes())
    content[-1] ^= 1
    files[1].write_bytes(content)
    refused(f"{files[1].name} is damaged: it differs from its checksum", folder)
    (folder / "SHA256SUMS").write_text("0" * 64 + "  ../config.json")
    refused("SHA256SUMS lists", folder)


def test_the_bundled_model_must_have_its_checksums(
    copied: Copied, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copied()
    monkeypatch.setattr(load, "bundled_path", lambda: folder)
    refused("SHA256SUMS is missing", "olmoe-nano")
    assert (bundled_path() / "SHA256SUMS").is_file()


def test_weights_that_are_not_there_are_not_made_up(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 4}))
    refused("incomplete: model.layers.3", folder)


def test_too_little_memory_is_refused_with_both_figures(
    original: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda _: 400_000)
    refused(r"need 1\.\d MB and 0\.4 MB are free on cpu", original, device="cpu")


def test_memory_that_runs_out_while_loading_is_told(
    original: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(load.OlmoeForCausalLM, "from_pretrained", full)
    refused("memory ran out", original)


def test_a_model_of_the_hub_is_known_by_its_commit(
    original: Path, copied: Copied, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copied().rename(original.parent / ("c" * 40))
    asked: list[tuple[str, str, list[str]]] = []

    def fetch(name: str, *, revision: str, allow_patterns: list[str]) -> str:
        asked.append((name, revision, allow_patterns))
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    model = ov.load_model(REAL)
    assert (model.name, model.revision, model.digest) == (REAL, "c" * 40, "commit:" + "c" * 40)
    ov.load_model(REAL, revision="v2")
    assert [call[:2] for call in asked] == [(REAL, "main")] * 2 + [(REAL, "v2")] * 2
    assert asked[0][2] == ["config.json"]
    assert not any("bin" in pattern or "py" in pattern for call in asked for pattern in call[2])


def test_a_model_too_large_is_refused_before_its_weights_are_fetched(
    copied: Copied, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, asked = copied(), []

    def fetch(name: str, *, revision: str, allow_patterns: list[str]) -> str:
        asked.append(allow_patterns)
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    monkeypatch.setattr(memory, "free_bytes", lambda _: 1)
    refused("are free", REAL)
    assert asked == [["config.json"]]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (GatedRepoError, "is gated. Accept its terms at https://huggingface.co/allenai"),
        (RevisionNotFoundError, "has no revision 'main'"),
        (RepositoryNotFoundError, "has no model"),
        (LocalEntryNotFoundError, "network connection"),
        (ConnectionError, "network connection"),
        (OSError, "free disk space"),
    ],
)
def test_what_the_hub_refuses_is_said_in_words(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception], words: str
) -> None:
    def fetch(*_: object, **__: object) -> None:
        made = error.__new__(error)
        OSError.__init__(made, "refused")
        raise made

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    refused(words, REAL)
