"""The benchmarks run on a tiny model, and their files hold what the tables need; no speed is asked.

What needs a GPU (compiled stock, page-locked copies) is not reached here.
"""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from io import StringIO
from itertools import groupby
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import olmoe_viz as ov
from benchmarks import bench, decode, first_token, kernels, machine, prefill, stock, tables, writing
from benchmarks.random_model import byte_level_tokenizer, endless, geometry_of, random_model
from olmoe_viz.models.catalogue import BUNDLED
from olmoe_viz.models.model import Model
from olmoe_viz.numerics import costs
from olmoe_viz.numerics.geometry import OLMOE_1B_7B

TINY = ["--model", "random:tiny", "--device", "cpu", "--rounds", "1", "--tokens", "3"]
SIZES = ["--ks", "1", "8", "--mixed", "8", "64", "--rows", "1", "3", "--contexts", "16", "999"]


@pytest.fixture(scope="module", autouse=True)
def _short_copies() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machine, "_COPIED_ON_CPU", 2**20)
        yield


@pytest.fixture(scope="module")
def tiny() -> Model:
    return random_model(geometry_of("tiny"), torch.device("cpu"), torch.float32)


@pytest.fixture(scope="module")
def bundled() -> Model:
    return bench.load(BUNDLED, None, torch.device("cpu"), None)


def in_this_process(call: Sequence[str], caches: dict[str, str]) -> dict[str, float]:
    """Stand in for a process that imports torch and compiles the decoding step, as this one has."""
    out = StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out):
        patch.setattr("sys.argv", list(call[2:]))
        first_token.main()
    seconds: dict[str, float] = json.loads(out.getvalue())
    return seconds


@pytest.fixture(scope="module")
def measured(
    tmp_path_factory: pytest.TempPathFactory, _short_copies: None, in_full: bool
) -> Iterator[dict[str, Any]]:
    with pytest.MonkeyPatch.context() as patch:
        if not in_full:
            patch.setattr(prefill, "_process", in_this_process)
        yield measured_in(tmp_path_factory.mktemp("decode"))


def measured_in(folder: Path) -> dict[str, Any]:
    file = folder / "out.json"
    decode.main([*TINY, *SIZES, "--prefill", "40", "--json", str(file)])
    found: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return found


def test_every_section_is_measured(measured: dict[str, Any]):
    assert measured.keys() - tables.SECTIONS == {"machine", "model", "settings", "bandwidth"}
    assert tables.SECTIONS.keys() - measured.keys() == {"kernels"}
    assert [row["k"] for row in measured["ks"]] == [1, 8]
    assert [row["rows"] for row in measured["rows"]["batches"]] == [1, 3]
    assert [row["context"] for row in measured["context"]] == [16, 256 - 3]
    assert measured["prefill"]["tokens"] == 40
    assert measured["bandwidth"]["to_host"] is None
    assert all(row["compiled_not_run"] == "only on a GPU" for row in measured["ks"])


def test_a_share_is_the_speed_over_the_limit(measured: dict[str, Any]):
    one, eight = measured["ks"]
    needed = costs.bytes_per_token(geometry_of("tiny"), 8, 4)
    assert eight["limit"] == pytest.approx(eight["copy"] / needed)
    assert eight["share"] == pytest.approx(eight["ours"]["tokens_per_second"] / eight["limit"])
    assert one["copy"] > 10**6
    for row in measured["context"]:
        cache = 2 * 4 * 64 * 4 * (row["context"] + 3 / 2)  # keys and values, layers, width, float32
        assert row["share_with_cache"] / row["share"] == pytest.approx(1 + cache / needed)


def test_the_tables_show_every_row(measured: dict[str, Any]):
    lines = tables.render(measured)
    text = "\n".join(lines)
    assert measured["machine"]["device"] in lines[0]
    assert f"torch {torch.__version__}" in lines[0]
    assert text.count("###") == len(tables.SECTIONS) - 1  # without the kernels
    blocks = [list(block) for table, block in groupby(lines, _is_row) if table]
    assert len(blocks) == len(tables.SECTIONS) - 1
    for block in blocks:
        assert len(block) > 2
        assert len({row.count("|") for row in block}) == 1
    assert not re.search(r"\bnan\b", text)


def _is_row(line: str) -> bool:
    return line.startswith("|")


def test_the_tables_of_several_files_follow_each_other(
    measured: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    parts = ["machine", "model", "settings", "bandwidth"]
    for name in ("ks", "mixed"):
        part = {key: measured[key] for key in [*parts, name]}
        (tmp_path / f"{name}.json").write_text(json.dumps(part))
    tables.main([str(tmp_path / "ks.json"), str(tmp_path / "mixed.json")])
    out = capsys.readouterr().out
    assert [line[4:] for line in out.splitlines() if line.startswith("###")] == [
        tables.SECTIONS[name][0] for name in ("ks", "mixed")
    ]


def test_a_kernel_is_shown_beside_the_time_of_its_bytes():
    bytes_of = kernels.floors(OLMOE_1B_7B, 1, 8)
    layer = sum(size for name, size in bytes_of.items() if name not in ("attention", "vocabulary"))
    norms = 2 * OLMOE_1B_7B.hidden * (4 * OLMOE_1B_7B.layers + 1)
    weights = 16 * layer + bytes_of["vocabulary"] + norms
    assert weights == costs.bytes_per_token(OLMOE_1B_7B, 8)
    case = {
        "ks": [8],
        "experts_used": 8,
        "seconds": dict.fromkeys(bytes_of, 2e-5),
        "floors": {name: size / 3e12 for name, size in bytes_of.items()},
    }
    lines = tables.section("kernels", {"kernels": [case]})
    assert lines[-1].startswith("| 1 x 8 | 8 | 20.0 / 8.4 |")


def test_stock_has_a_k_of_its_own(tiny: Model):
    peer = stock.Stock(tiny)
    routers = tiny.module.model.layers[0].mlp.gate, peer.module.model.layers[0].mlp.gate
    assert routers[0].weight is routers[1].weight
    with peer.way(3, "eager", 1):
        assert [router.top_k for router in routers] == [8, 3]
        assert peer.module.config._experts_implementation == "eager"
    run = peer.generate([5, 6, 7], 3, 4, rows=2)
    assert (run.tokens, run.rows) == (8, 2)
    assert run.first < run.first + run.between <= run.total
    assert tiny.module.model.layers[0].mlp.gate.top_k == 8


def test_stock_and_ours_write_the_same(tiny: Model):
    """Else their speeds would be those of different work."""
    prompt = bench.prompt_of(tiny, 12)
    peer = stock.Stock(tiny)
    with peer.way(16):
        theirs = peer.module.generate(torch.tensor([prompt]), max_new_tokens=8, do_sample=False)
    _, (ours,) = writing.write(tiny, prompt, [ov.RoutingPolicy(16)], 8)
    assert theirs[0, 12:].tolist() == ours.token_ids.tolist()


def test_rows_of_one_prompt_part(bundled: Model):
    policies = writing.policies_apart(6, 4, 8)
    assert [sum(policy.ks(4, 64)) for policy in policies] == [32] * 6
    assert len(set(writing.policies_apart(40, 16, 8))) == 40
    assert sum(writing.policies_apart(2, 5, 8)[1].ks(5, 64)) == 40
    policies = writing.policies_apart(3, 16, 8)
    _, written = writing.write(bundled, bench.prompt_of(bundled, 16), policies, 12)
    assert len({row.text for row in written}) == 3
    assert 8 < writing.experts_used(written) <= 24
    assert writing.experts_used(written[:1]) == 8


def test_why_compiled_stock_is_not_there_is_told():
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no compiler\nand more")

    settings = bench.Settings(compiled_ks=(8,), compiled=("batched_mm",))
    fake: Any = SimpleNamespace(
        settings=settings,
        stock=SimpleNamespace(generate=fail),
        model=SimpleNamespace(device=torch.device("cuda")),
    )
    assert writing._compiled(fake, [1], 8) == ({}, "batched_mm failed: no compiler")
    assert writing._compiled(fake, [1], 9) == ({}, "not asked for")


def test_no_token_ends_a_text_early():
    model = ov.load_model(device="cpu")
    assert model.module.generation_config.eos_token_id is not None
    free = endless(model)
    assert free.module.generation_config.eos_token_id is None
    assert free.module.config.eos_token_id is None
    assert model.module.config.eos_token_id is not None
    assert free.module.lm_head.weight is model.module.lm_head.weight


def test_the_first_token_is_told_as_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("sys.argv", ["first_token", "--model", "random:tiny", "--device", "cpu"])
    first_token.main()
    assert json.loads(capsys.readouterr().out).keys() == {"load", "first", "again"}


def test_a_prompt_is_as_long_as_asked_for(tiny: Model, bundled: Model):
    for model in (tiny, bundled):
        assert [len(bench.prompt_of(model, length)) for length in (1, 16, 200)] == [1, 16, 200]


@pytest.mark.parametrize("vocab", [300, 50_304])
def test_the_tokenizer_has_the_size_asked_for_and_knows_bytes(vocab: int):
    tokenizer = byte_level_tokenizer(vocab)
    text = "Süß 🙂, said the robot.\n"
    ids = tokenizer.encode(text)
    assert len(tokenizer) == vocab
    assert len(ids) == len(text.encode())
    assert tokenizer.decode(ids) == text


def test_rounds_are_in_turn_and_the_first_is_not_counted():
    order: list[str] = []
    runs = {name: lambda name=name: order.append(name) or len(order) for name in "ab"}
    assert machine.in_turn(runs, 2) == {"a": [3, 5], "b": [4, 6]}
    assert "".join(order) == "ababab"
