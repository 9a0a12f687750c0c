"""The recipe of the bundled model, from text files to measured tables, at a size for seconds."""

import json
import lzma
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from transformers import OlmoeForCausalLM

from olmoe_viz.models.files import weight_files
from olmoe_viz.policy import RoutingPolicy
from training import evaluate, prepare
from training.card import read_csv
from training.corpus import DOMAINS, END_OF_TEXT, is_simple_story
from training.model import Olmoe, make_config, token_losses
from training.optimizer import orthogonalize
from training.publish import check_measured
from training.recipe import NANO, SMOKE
from training.train import Run

TINY = {**SMOKE.config, "vocab_size": 512}


def make_documents(domain: str, count: int, seed: int) -> list[str]:
    """Sentences over a few words of the domain's own: something to learn."""
    source = random.Random(f"{domain} {seed}")
    words = [f"{domain[:3]}{number}" for number in range(12)]
    return [" ".join(source.choices(words, k=60)) + "." for _ in range(count)]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small corpus, prepared."""
    corpus, out = tmp_path_factory.mktemp("corpus"), tmp_path_factory.mktemp("data")
    for seed, domain in enumerate(DOMAINS):
        for name, count in ((f"{domain}.txt.xz", 40), (f"{domain}.heldout.txt.xz", 4)):
            documents = make_documents(domain, count, seed + count)
            if domain == "stories":
                documents = ["CHAPTER I\n\n" + text for text in documents]
                documents += ["Once upon a time a dog and a cat sat in the sun. " * 5] * 4
            text = "".join(f"{document}\n{END_OF_TEXT}\n" for document in documents)
            (corpus / name).write_bytes(lzma.compress(text.encode()))
    prepare.main(["--corpus", str(corpus), "--out", str(out), "--vocabulary", "512"])
    return out


@pytest.fixture(scope="module")
def finished(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The smoke recipe, trained to its end in one go and stored."""
    run = Run(data, tmp_path_factory.mktemp("run"), SMOKE, torch.device("cpu"))
    assert run.train(minutes=10, log_every=1, evaluate_every=15)
    run.finish()
    return run


def test_the_loss_falls(finished: Run) -> None:
    rows = [json.loads(line) for line in (finished.folder / "curve.jsonl").read_text().splitlines()]
    losses = [row["loss"] for row in rows]
    assert np.mean(losses[-3:]) < np.mean(losses[:3]) - 0.5
    heldout = [np.mean(list(row["heldout"].values())) for row in rows if "heldout" in row]
    assert heldout[-1] < heldout[0]


@pytest.mark.parametrize("stop", [7, 20, 23], ids=["first phase", "between phases", "second"])
def test_a_stopped_run_continues_to_the_same_weights(
    finished: Run, data: Path, tmp_path: Path, stop: int
) -> None:
    device = torch.device("cpu")
    first = Run(data, tmp_path, SMOKE, device)
    for _ in range(stop):
        first.advance()
    first.store()
    second = Run(data, tmp_path, SMOKE, device)
    assert second.step == stop
    assert second.train(minutes=10, log_every=10, evaluate_every=100)
    for name, tensor in second.model.state_dict().items():
        torch.testing.assert_close(tensor, finished.model.state_dict()[name], rtol=1e-4, atol=1e-5)


def test_the_checkpoint_is_an_ordinary_one_and_is_measured(
    finished: Run, data: Path, tmp_path: Path
) -> None:
    arguments = ["--data", str(data), "--run", str(finished.folder), "--out", str(tmp_path)]
    evaluate.main([*arguments, "--windows", "2"])
    quality = read_csv(tmp_path / "quality.csv")
    ks = [k for k in evaluate.KS if k <= SMOKE.config["num_experts"]]
    assert len(quality) == len(ks) * 3 * (len(DOMAINS) + 1)
    for row in quality:
        assert 0 < float(row["low"]) <= float(row["bits_per_byte"]) <= float(row["high"]) < 10
    shares = [[float(row[name]) for name in DOMAINS] for row in read_csv(tmp_path / "experts.csv")]
    by_layer = np.array(shares).reshape(SMOKE.config["num_hidden_layers"], -1, len(DOMAINS)).sum(1)
    np.testing.assert_allclose(by_layer, SMOKE.config["num_experts_per_tok"], atol=1e-3)
    with safe_open(tmp_path / "router_checkpoints.safetensors", "numpy") as file:
        choices = file.get_tensor("choices")
    assert choices.shape == (2, 2, len(DOMAINS) * 64, 2)
    check_measured(finished.folder, tmp_path)


def test_a_window_is_measured_as_transformers_does(finished: Run, data: Path) -> None:
    tokenizer = prepare.load_tokenizer(data / "tokenizer")
    model = evaluate.stock_model(finished.folder / "model", tokenizer)
    windows = evaluate.heldout_windows(data, DOMAINS[0], 32)[:3]
    found = evaluate.Evaluator(model).nats(windows, RoutingPolicy(model.geometry.trained_k))
    ids = torch.from_numpy(windows)
    with torch.no_grad():
        scores = model.module(ids[:, :-1], use_cache=False).logits.double().log_softmax(-1)
    expected = -scores.gather(2, ids[:, 1:, None]).sum((1, 2))
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-5)


def test_tables_of_other_weights_are_not_published(finished: Run, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished.folder / "model", run / "model")
    evaluate.write_measured(run / "model", tmp_path)
    check_measured(run, tmp_path)
    shard = weight_files(run / "model")[0]
    content = shard.read_bytes()
    shard.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ValueError, match="measured on other weights"):
        check_measured(run, tmp_path)


def test_bits_per_byte_against_a_count_by_hand() -> None:
    nats, sizes = np.array([7.0, 5.0]), np.array([10, 20])
    draws = evaluate.bootstrap(nats, sizes, seed=0)
    possible = np.array([14 / 20, 12 / 30, 10 / 40]) / np.log(2)
    assert set(np.round(draws, 9)) == set(np.round(possible, 9))


def test_the_training_model_is_transformers_olmoe() -> None:
    torch.manual_seed(0)
    config = make_config(**TINY)
    ours, stock = Olmoe(config, router_std=0.3), OlmoeForCausalLM(config)
    stock.load_state_dict(ours.state_dict(), strict=True)
    ids = torch.randint(0, 512, (2, 24))
    states, balance, _ = ours(ids)
    expected = stock(ids, labels=None)
    torch.testing.assert_close(
        states @ ours.lm_head.weight.T, expected.logits, rtol=1e-4, atol=1e-5
    )
    assert balance >= 0.9
    token_losses(states, ours.lm_head.weight, ids).mean().backward()
    torch.nn.functional.cross_entropy(expected.logits.flatten(0, 1), ids.flatten()).backward()
    for mine, theirs in zip(ours.parameters(), stock.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-3, atol=1e-6)


def test_orthogonalize_brings_every_singular_value_near_one() -> None:
    matrices = torch.randn(3, 20, 8, generator=torch.Generator().manual_seed(0))
    result = orthogonalize(matrices)
    values = torch.linalg.svdvals(result)
    assert values.min() > 0.6
    assert values.max() < 1.3
    left, _, right = torch.linalg.svd(matrices, full_matrices=False)
    cosine = torch.nn.functional.cosine_similarity(result.flatten(1), (left @ right).flatten(1))
    assert cosine.min() > 0.98


def test_the_tokenizer_gives_back_what_it_was_given(data: Path) -> None:
    tokenizer = prepare.load_tokenizer(data / "tokenizer")
    for text in ("def f(x):\n    return x  # été", "😀 \u0000 \t naïve 123", "<b>$x^2$</b>"):
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_the_batch_of_a_step_does_not_depend_on_what_came_before(finished: Run) -> None:
    stage = SMOKE.phases[0].stage(3)
    first, _ = finished.windows.batch(3, stage)
    finished.windows.batch(4, stage)
    again, targets = finished.windows.batch(3, stage)
    assert torch.equal(first, again)
    assert torch.equal(first[:, 1:], targets[:, :-1])


def test_schedule() -> None:
    first, second = NANO.phases
    rates = [first.learning_rate(step) for step in range(first.steps)]
    assert rates[0] < 0.02
    assert max(rates) == rates[first.steps // 2] == 1.0
    assert rates[-1] < 1e-3
    assert second.learning_rate(second.steps // 2) == 0.5
    assert NANO.phase(first.steps - 1) == (first, first.steps - 1)
    assert NANO.phase(first.steps) == (second, 0)
    assert NANO.phase(NANO.steps - 1) == (second, second.steps - 1)
    assert NANO.checkpoints[-1] == NANO.steps
    assert sum(NANO.stream_weights([1000] * 11)) == pytest.approx(1)


def test_routers_have_a_rate_of_their_own_in_each_phase(finished: Run) -> None:
    last, adam = SMOKE.phases[-1], finished.optimizers[1]
    rates = {
        name: rate
        for group, rate in zip(adam.param_groups, finished.base_rates[1], strict=True)
        for name, parameter in finished.model.named_parameters()
        if any(parameter is each for each in group["params"])
    }
    routers = [rates[f"model.layers.{layer}.mlp.gate.weight"] for layer in range(2)]
    assert routers == pytest.approx([SMOKE.adam_lr * last.router_rate] * 2)
    assert rates["lm_head.weight"] == pytest.approx(SMOKE.adam_lr * last.rate)


def test_simple_stories_are_told_from_books() -> None:
    simple = "Once upon a time, there was a big red dog. He liked to run in the park. " * 4
    assert is_simple_story(simple)
    assert not is_simple_story("CHAPTER XII\n\n" + simple)
    assert not is_simple_story(
        "The gentleman's countenance exhibited considerable astonishment. " * 6
    )
