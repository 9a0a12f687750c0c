"""The check of a model, on a tiny one: transformers gives its answers, which are damaged then."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import OlmoeForCausalLM

import olmoe_viz as ov
from olmoe_viz import json_form
from olmoe_viz.engine import checking, stock
from olmoe_viz.engine.known_answers import (
    KnownAnswers,
    KnownIds,
    KnownLogits,
    KnownText,
    known_answers,
)
from olmoe_viz.models.catalogue import find
from olmoe_viz.models.model import Model
from olmoe_viz.records.checks import Check, CheckReport
from tests.engine.tiny import TEXTS, load_stock, write_checkpoint

PROMPT, NEW = "the little robot", 12
NAMES = ["token ids", "logits of a fixed input", "greedy text", "at k = 8", "at k = 16"]
Stock = Callable[[int], OlmoeForCausalLM]


def given_by(module: OlmoeForCausalLM, model: Model) -> KnownAnswers:
    """What transformers gives for a tiny model, in float32."""
    backend = model.tokenizer.backend_tokenizer
    prompt = torch.tensor([backend.encode(PROMPT).ids])
    with torch.inference_mode():
        logits = module(prompt).logits[0]
        written = module.generate(prompt, max_new_tokens=NEW, do_sample=False)[0, prompt.shape[1] :]
    known = KnownLogits(
        "stock",
        tuple(prompt[0].tolist()),
        tuple(logits.mean(-1).tolist()),
        tuple(logits[0, :10].tolist()),
        1e-2,
    )
    ids = tuple(written.tolist())
    text = KnownText("stock", PROMPT, model.tokenizer.decode(ids), ids, 1e-3)
    tokens = tuple(KnownIds(each, tuple(backend.encode(each).ids)) for each in [*TEXTS, ""])
    return KnownAnswers("tiny", None, "stock", tokens, known, (text,))


def rounded(module: OlmoeForCausalLM) -> OlmoeForCausalLM:
    """The same with weights that bfloat16 can hold; it computes in float32."""
    for weight in module.parameters():
        weight.data = weight.data.bfloat16().float()
    return module


@pytest.fixture(scope="session")
def answers(model: Model, stock: Stock) -> KnownAnswers:
    return given_by(stock(8), model)


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Callable[[KnownAnswers], None]:
    """Return a function that sets what is known."""
    return lambda given: monkeypatch.setattr(checking, "known_answers", lambda: (given,))


def outcomes(report: CheckReport) -> dict[str, str]:
    """The outcome of each check by the end of its name."""
    return {name: each.outcome for name in NAMES for each in report.checks if name in each.what}


def one(report: CheckReport, name: str) -> Check:
    return next(each for each in report.checks if name in each.what)


def test_a_model_that_gives_the_known_answers_passes(
    model: Model, answers: KnownAnswers, known: Callable[[KnownAnswers], None]
) -> None:
    known(answers)
    report = ov.check(model, known_as="tiny")
    assert report.passed
    assert outcomes(report) == dict.fromkeys(NAMES, "passed")
    assert one(report, "greedy").figures[1].value == NEW


def test_the_rounding_of_bfloat16_is_measured_and_allowed_for(
    folder: Path, known: Callable[[KnownAnswers], None]
) -> None:
    own = ov.load_model(str(folder), device="cpu", dtype="bfloat16")
    known(given_by(rounded(load_stock(folder, 8)), own))
    report = ov.check(own, known_as="tiny")
    assert outcomes(report) == dict.fromkeys(NAMES, "passed")
    assert one(report, "greedy").figures[2].limit > 0.01


def _other_first(ids: tuple[int, ...]) -> tuple[int, ...]:
    return (ids[0] + 1, *ids[1:])


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("token ids", lambda a: replace(a, ids=(*a.ids, KnownIds("the", (3, 4, 5))))),
        (
            "logits of a fixed input",
            lambda a: replace(
                a, logits=replace(a.logits, means=(*a.logits.means[:-1], a.logits.means[-1] + 0.02))
            ),
        ),
        (
            "logits of a fixed input",
            lambda a: replace(a, logits=replace(a.logits, first=(a.logits.first[0] - 0.02,))),
        ),
        (
            "greedy text",
            lambda a: replace(a, texts=(replace(a.texts[0], ids=_other_first(a.texts[0].ids)),)),
        ),
        (
            "greedy text",
            lambda a: replace(a, texts=(replace(a.texts[0], ids=(*a.texts[0].ids[:-1], 7)),)),
        ),
    ],
    ids=["ids", "a mean", "a logit", "the first token", "the last token"],
)
def test_each_check_can_fail(
    model: Model,
    answers: KnownAnswers,
    known: Callable[[KnownAnswers], None],
    name: str,
    damage: Callable[[KnownAnswers], KnownAnswers],
) -> None:
    known(damage(answers))
    report = ov.check(model, known_as="tiny")
    assert not report.passed
    assert one(report, name).reason
    assert outcomes(report) == dict.fromkeys(NAMES, "passed") | {name: "failed"}


def test_other_weights_fail_the_known_answers_and_agree_with_transformers(
    tmp_path: Path, answers: KnownAnswers, known: Callable[[KnownAnswers], None]
) -> None:
    other = ov.load_model(str(write_checkpoint(tmp_path, initializer_range=0.2)), device="cpu")
    known(answers)
    found = outcomes(ov.check(other, known_as="tiny"))
    assert list(found.values()) == ["passed", "failed", "failed", "passed", "passed"]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_pass_with_another_k_is_noticed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, dtype: str
) -> None:
    own = ov.load_model(str(folder), device="cpu", dtype=dtype)
    ours = checking._ours
    monkeypatch.setattr(checking, "_ours", lambda model, ids, _: ours(model, ids, 8))
    report = ov.check(own)
    assert one(report, "at k = 8").outcome == "passed"
    assert "logits" in one(report, "at k = 16").reason


@pytest.mark.parametrize("k", [1, 8, 16, 64])
def test_the_private_copy_gives_what_transformers_gives(model: Model, stock: Stock, k: int) -> None:
    ids = model.tokenizer.backend_tokenizer.encode(PROMPT).ids
    with torch.inference_mode():
        found = stock(k)(torch.tensor([ids]), output_router_logits=True)
    run = checking.stock.run(model, ids, k)
    np.testing.assert_allclose(run.logits, found.logits[0], atol=1e-4)
    np.testing.assert_allclose(run.router_logits, torch.stack(found.router_logits), atol=1e-5)


def test_in_float32_it_computes_with_the_weights_of_a_coarser_model(folder: Path) -> None:
    own = ov.load_model(str(folder), device="cpu", dtype="bfloat16")
    exact = rounded(load_stock(folder, 16))
    ids = own.tokenizer.backend_tokenizer.encode(PROMPT).ids
    with torch.inference_mode():
        expected = exact(torch.tensor([ids])).logits[0]
    np.testing.assert_allclose(stock.run(own, ids, 16, float32=True).logits, expected, atol=1e-4)
    assert {weight.dtype for weight in own.module.parameters()} == {torch.bfloat16}


def test_nobody_else_sees_anything_of_a_check(model: Model) -> None:
    before = ov.trace(model, PROMPT)
    weights = [weight.data_ptr() for weight in model.module.parameters()]
    checker = threading.Thread(target=lambda: [stock.run(model, [5, 6, 7], 16) for _ in range(20)])
    checker.start()
    with torch.inference_mode():
        known = model.module(torch.tensor([[5, 6, 7]])).logits
        while checker.is_alive():
            assert torch.equal(model.module(torch.tensor([[5, 6, 7]])).logits, known)
    checker.join()
    np.testing.assert_array_equal(ov.trace(model, PROMPT).router_logits, before.router_logits)
    assert {site.router.top_k for site in model.sites} == {8}
    assert [weight.data_ptr() for weight in model.module.parameters()] == weights


class TestNotChecked:
    """What cannot be checked is said, and is no pass."""

    @pytest.fixture(autouse=True)
    def nothing_known(self, known: Callable[[KnownAnswers], None]) -> None:
        known(checking.NOTHING)

    def test_nothing_is_known_of_other_models(self, model: Model) -> None:
        found = outcomes(ov.check(model))
        assert list(found.values()) == ["not checked"] * 3 + ["passed"] * 2

    def test_a_layer_may_have_fewer_experts(self, tmp_path: Path) -> None:
        folder = write_checkpoint(tmp_path, num_experts=8, num_experts_per_tok=2)
        report = ov.check(ov.load_model(str(folder), device="cpu"))
        assert one(report, "at k = 2").outcome == "passed"
        assert one(report, "at k = 16").reason == "Each layer has 8 experts."

    def test_a_rule_that_is_not_known(self, model: Model) -> None:
        report = ov.check(replace(model, capabilities=frozenset()))
        assert not report.passed
        assert "rule that is not known" in one(report, "at k = 8").reason

    def test_weights_on_several_devices(
        self, model: Model, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(model.module.model.norm, "_hf_hook", object(), raising=False)
        report = ov.check(model)
        assert not report.passed
        assert "several devices" in one(report, "at k = 8").reason

    def test_experts_that_tie_in_every_prompt(self, tmp_path: Path) -> None:
        own = ov.load_model(str(write_checkpoint(tmp_path)), device="cpu")
        with torch.no_grad():
            own.sites[0].router.weight.zero_()
        assert "tie at the cutoff" in one(ov.check(own), "at k = 8").reason

    @pytest.mark.parametrize(
        ("error", "outcome"),
        [
            (MemoryError(), "not checked"),
            (torch.OutOfMemoryError("CUDA out of memory"), "not checked"),
            (RuntimeError("CUDA error: an illegal access\nand more"), "failed"),
        ],
    )
    def test_a_pass_that_breaks_off(
        self, model: Model, monkeypatch: pytest.MonkeyPatch, error: Exception, outcome: str
    ) -> None:
        def run(*_: object, **__: object) -> Iterator[None]:
            raise error

        monkeypatch.setattr(stock, "run", run)
        report = ov.check(model)
        assert not report.passed
        assert one(report, "at k = 8").outcome == outcome

    def test_numbers_that_are_none_fail(self, tmp_path: Path) -> None:
        own = ov.load_model(str(write_checkpoint(tmp_path)), device="cpu")
        with torch.no_grad():
            own.module.lm_head.weight[5] = torch.nan
        report = ov.check(own)
        assert one(report, "at k = 8").outcome == "failed"
        json.dumps(json_form.encode(report), allow_nan=False)


def test_known_answers_are_of_a_revision(model: Model) -> None:
    """Those of the base model of 2024 are asked for at the commit that the catalogue names."""
    name = "allenai/OLMoE-1B-7B-0924"
    (of_hub,) = (each for each in known_answers() if each.model == name)
    assert of_hub.revision == find(name).revision
    for own, revision, found in (
        (name, of_hub.revision, of_hub),
        (f"{name}@{of_hub.revision}", of_hub.revision, of_hub),
        (f"{name}@step10000-tokens41B", "c" * 40, checking.NOTHING),
        ("allenai/OLMoE-1B-7B-0125", find("allenai/OLMoE-1B-7B-0125").revision, checking.NOTHING),
    ):
        assert checking._known(replace(model, name=own, revision=revision), None) is found
    with pytest.raises(ov.InputError, match="Nothing is known of someone/else"):
        ov.check(model, known_as="someone/else")


def test_the_known_answers_are_whole() -> None:
    by_name = {each.model: each for each in known_answers()}
    known = by_name["allenai/OLMoE-1B-7B-0924"]
    assert len(known.ids) == 8
    assert len(known.logits.ids) == len(known.logits.means) == 8
    assert [len(text.ids) for text in known.texts] == [64, 47]
    assert len(by_name["olmoe-nano"].texts) == 6
    assert all(text.source for each in known_answers() for text in each.texts)


def test_the_bundled_model_writes_what_it_once_wrote(
    bundled: Model, in_full: bool, known: Callable[[KnownAnswers], None]
) -> None:
    (own,) = (each for each in known_answers() if each.model == "olmoe-nano")
    known(own if in_full else replace(own, texts=own.texts[:1]))
    report = ov.check(bundled)
    assert report.passed
    greedy = [each for each in report.checks if "greedy" in each.what]
    assert {each.outcome for each in greedy} == {"passed"}
