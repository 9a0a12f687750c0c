import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import httpx2
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
from olmoe_viz.models.catalogue import CATALOGUE, find
from tests.engine.tiny import write_checkpoint

Copied = Callable[[], Path]
REAL = "allenai/OLMoE-1B-7B-0924"
STEP = "step10000-tokens41B"


def refused(words: str, name: object, **options: object) -> None:
    with pytest.raises(ov.ModelError, match=words):
        ov.load_model(str(name), **options)


def raising(error: Exception) -> Callable[..., None]:
    def call(*_: object, **__: object) -> None:
        raise error

    return call


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
    np.testing.assert_array_equal(ours.weights, theirs.weights)


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
    refused("has no revisions", "olmoe-nano", revision="main")
    refused("has no revisions", "olmoe-nanometre", revision="main")
    for revision in ("", "..", "a/../b", "/etc", "-x", "a b", "a@b", "a\nb", "a" * 300):
        refused("has no revision '", REAL, revision=revision)
        refused("no model and no folder", f"{REAL}@{revision}")
    refused("has no revision '", f"{REAL}@{STEP}", revision="other")
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
        ({"tie_word_embeddings": True}, "one matrix for both .* counted wrongly, so it is not l"),
        ({"attention_bias": True}, "biases in its attention .* counted wrongly, so it is not l"),
        ({"num_experts_per_tok": 65}, "is not usable"),
        ({"hidden_size": 64}, "do not fit|incomplete"),
        ({"pad_token_id": 10**6}, "do not fit its config.json"),
        ({"quantization_config": {"quant_method": "gptq"}}, "do not fit its config.json"),
        ({"hidden_size": "abc"}, "is not usable: .*'hidden_size' expected int"),
        ({"hidden_size": None}, "is not usable: .*'hidden_size' expected int"),
        ({"rope_scaling": 5}, "is not usable: .*rope_parameters"),
        ({"eos_token_id": "x"}, "is not usable: .*eos_token_id"),
    ):
        (folder / "config.json").write_text(json.dumps(config | change))
        refused(words, folder)
    for text in ("[", "[" * 10**5):
        (folder / "config.json").write_text(text)
        refused("config.json .* not readable", folder)
    (folder / "config.json").unlink()
    refused("no config.json", folder)


def test_missing_files_are_named(copied: Copied) -> None:
    folder = copied()
    (folder / "tokenizer.json").rename(folder / "away")
    refused("has no tokenizer.json", folder)
    tokenizer = json.loads((folder / "away").read_text())
    for text in ("{", "5", json.dumps(tokenizer | {"model": 5})):
        (folder / "tokenizer.json").write_text(text)
        refused("tokenizer .* not readable", folder)
    (folder / "away").rename(folder / "tokenizer.json")
    shard = sorted(folder.glob("*.safetensors"))[1]
    shard.unlink()
    refused(f"{shard.name} is missing", folder)
    for file in folder.glob("*.safetensors*"):
        file.unlink()
    (folder / "pytorch_model.bin").write_bytes(b"never opened")
    refused("Only safetensors", folder)


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


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes."),
        MemoryError(),
    ],
)
@pytest.mark.parametrize(
    ("owner", "step"),
    [
        (load.AutoModelForCausalLM, "from_pretrained"),
        (load.AutoTokenizer, "from_pretrained"),
        (load, "steers"),
    ],
)
def test_memory_that_runs_out_while_loading_is_told(
    original: Path, monkeypatch: pytest.MonkeyPatch, owner: object, step: str, error: Exception
) -> None:
    monkeypatch.setattr(owner, step, raising(error))
    refused("memory ran out", original)


@pytest.mark.parametrize("error", [RuntimeError("CUDA error"), PermissionError(13, "CUDA error")])
def test_other_failures_while_loading_are_told(
    original: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(load, "steers", raising(error))
    refused("cannot be loaded: .*CUDA error", original)


def test_a_model_of_the_hub_is_known_by_its_commit(
    original: Path, copied: Copied, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copied().rename(original.parent / ("c" * 40))
    asked: list[tuple[str, str, list[str]]] = []

    def fetch(
        name: str, *, revision: str, allow_patterns: list[str], dry_run: bool = False, **_: object
    ) -> str | list[SimpleNamespace]:
        if dry_run:
            return []
        asked.append((name, revision, allow_patterns))
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    model = ov.load_model(REAL)
    assert (model.name, model.revision, model.digest) == (REAL, "c" * 40, "commit:" + "c" * 40)
    pinned = find(REAL).revision
    assert ov.load_model(REAL, revision=pinned).name == REAL
    old = ov.load_model(REAL, revision=STEP)
    assert (old.name, old.revision) == (f"{REAL}@{STEP}", "c" * 40)
    assert ov.load_model(old.name).name == old.name
    assert [call[1] for call in asked[::2]] == [pinned, pinned, STEP, STEP]
    assert {call[1] for call in asked[1::2]} == {"c" * 40}
    assert {call[0] for call in asked} == {REAL}
    assert asked[0][2] == ["config.json"]
    assert not any("bin" in pattern or "py" in pattern for call in asked for pattern in call[2])


def test_a_model_too_large_is_refused_before_its_weights_are_fetched(
    copied: Copied, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, asked = copied(), []

    def fetch(name: str, *, revision: str, allow_patterns: list[str], **_: object) -> str:
        asked.append(allow_patterns)
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    monkeypatch.setattr(memory, "free_bytes", lambda _: 1)
    refused("are free", REAL)
    assert asked == [["config.json"]]


def test_a_disk_without_room_is_refused_before_the_weights_are_fetched(
    copied: Copied, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, asked = copied(), []

    def fetch(
        _: str, *, allow_patterns: list[str], dry_run: bool = False, **__: object
    ) -> str | list[SimpleNamespace]:
        if dry_run:
            return [
                SimpleNamespace(file_size=9 * 10**9, will_download=True),
                SimpleNamespace(file_size=5 * 10**9, will_download=False),
            ]
        asked.append(allow_patterns)
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    monkeypatch.setattr(load.shutil, "disk_usage", lambda _: SimpleNamespace(free=10**9))
    refused(r"9\.0 GB are missing and 1\.0 GB of the disk are free", REAL)
    assert asked == [["config.json"]]


def test_where_the_hub_is_switched_off_the_sentence_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    refused("hub is switched off here", REAL)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (GatedRepoError, "is gated. Accept its terms at https://huggingface.co/allenai"),
        (RevisionNotFoundError, "has no revision '6d84c48581ece794365f2b8e9cfb043c68ade9c5'"),
        (RepositoryNotFoundError, "has no model"),
        (LocalEntryNotFoundError, "network connection"),
        (ConnectionError, "network connection"),
        (OSError, "free disk space"),
        (httpx2.ReadTimeout, "network connection"),
        (httpx2.ProxyError, "network connection"),
        (httpx2.RemoteProtocolError, "network connection"),
        (httpx2.InvalidURL, "network connection"),
        (RuntimeError, "network connection"),
        (ValueError, "network connection"),
    ],
)
def test_what_the_hub_refuses_is_said_in_words(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception], words: str
) -> None:
    made = error.__new__(error)
    Exception.__init__(made, "refused")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", raising(made))
    refused(words, REAL)


def test_a_download_reports_its_bytes_and_can_be_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    class EnoughError(Exception):
        pass

    told: list[tuple[int, int]] = []

    def fetch(*_: object, tqdm_class: type, **__: object) -> str:
        files = tqdm_class(desc="Fetching 3 files", total=3)
        files.update(1)
        arrived = tqdm_class(desc="Reconstructing", total=0, unit="B", disable=True)
        arrived.total += 100
        for size in (60, 30, 10):
            arrived.update(size)
        raise AssertionError("the download went on")

    def progress(arrived: int, total: int) -> None:
        told.append((arrived, total))
        if arrived == 90:
            raise EnoughError

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    with pytest.raises(EnoughError):
        load._fetch(REAL, "main", ["*.safetensors"], progress)
    assert told == [(60, 100), (90, 100)]
