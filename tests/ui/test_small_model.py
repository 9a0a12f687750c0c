"""The whole application on a model of other sizes: 5 layers of 24 experts, 4 of them used."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest
from streamlit.testing.v1 import AppTest

import olmoe_viz as ov
from olmoe_viz.engine.local import LocalEngine
from olmoe_viz.figures.labels import k_is
from olmoe_viz.models import catalogue
from olmoe_viz.models.catalogue import Entry
from olmoe_viz.models.model import Model
from olmoe_viz.ui.session import engine
from tests.engine.tiny import write_checkpoint
from tests.ui.visitor import app, checked, drawn, page

LAYERS, EXPERTS, TRAINED = 5, 24, 4
PROMPT = "the little robot found a red ball"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = write_checkpoint(
        tmp_path_factory.mktemp("small"),
        num_hidden_layers=LAYERS,
        num_experts=EXPERTS,
        num_experts_per_tok=TRAINED,
    )
    return ov.load_model(str(folder), device="cpu")


@pytest.fixture(scope="module")
def small(model: Model) -> Iterator[str]:
    """The name of a model that the application offers, and that its engine holds."""
    entry = Entry(model.name, None, None, "A random model.", 96, LAYERS, EXPERTS, TRAINED)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalogue, "CATALOGUE", (*catalogue.CATALOGUE, entry))
        served = LocalEngine(model)
        patch.setattr(engine, "started", lambda *_: True)
        patch.setattr(engine, "current", lambda: served)
        yield model.name


def opened(name: str, small: str, **query: object) -> AppTest:
    return app(urlencode({"model": small, "prompt": PROMPT, **query}), name)


def words(test: AppTest) -> str:
    kinds = (test.text, test.caption, test.markdown, test.subheader, test.error)
    return "\n".join(str(each.value) for kind in kinds for each in kind)


def test_the_map_has_its_layers_and_experts(small: str) -> None:
    test = opened("map", small, layer=LAYERS - 1)
    assert test.number_input(key="pick_layer").max == LAYERS - 1
    assert "layer 4" in words(test)
    figures = drawn(test)
    assert f"top {TRAINED}: 0." in figures["bars"]
    options = test.segmented_control(key="choice_k").options
    assert options[-1] == str(EXPERTS)
    assert test.number_input(key="exact_k").max == EXPERTS
    for view in ("mass", "entropy", "margin", "drift", "follow"):
        checked(test.segmented_control(key="view").set_value(view).run())


@pytest.mark.parametrize("against", [TRAINED, 20, EXPERTS])
def test_follow_tells_all_steps_with_its_numbers(small: str, against: int) -> None:
    test = opened("follow", small, layer=LAYERS - 1, token=2, against=against)
    said = words(test)
    assert not test.error
    assert re.search(rf"layer {LAYERS - 1} \(0 to {LAYERS - 1}\)", said)
    assert not re.search(r"\b(64|16) experts|\b16 layers", said)
    measure = next(button for button in test.button if button.label == "Measure")
    checked(measure.click().run())
    assert not test.error


def test_compare_writes_and_measures_with_its_ks(small: str) -> None:
    test = opened("compare", small, columns="k=4~k=24", tokens=6)
    generate = next(button for button in test.button if button.label == "Generate")
    checked(generate.click().run())
    assert not test.error
    said = words(test)
    assert k_is(TRAINED) in said
    tables = "\n".join(str(table.value) for table in test.table)
    assert f"KL divergence from {k_is(TRAINED)}" in tables


@pytest.mark.parametrize("name", ["quality", "about", "glossary"])
def test_the_other_pages_open(small: str, name: str) -> None:
    test = page(opened("map", small), name)
    assert not test.error


@pytest.mark.parametrize("named", [{}, {"k": 64, "against": 64}])
def test_it_is_shown_first_as_it_was_trained(small: str, named: dict[str, int]) -> None:
    """Also where a link names more experts than there are."""
    test = app(urlencode({"model": small, "prompt": PROMPT} | named))
    assert test.segmented_control(key="choice_k").value == TRAINED
    assert test.segmented_control(key="choice_against").value == 2 * TRAINED
    assert test.number_input(key="pick_layer").value == 2


@pytest.mark.parametrize(
    ("able", "said"),
    [
        (frozenset[Any](), "can be traced, but what happens in its blocks is not known"),
        (frozenset({"steer"}), "can be traced, but what happens in its blocks is not known"),
        (frozenset({"details"}), "What happens inside {} can be watched, and not changed"),
    ],
)
def test_lab_says_of_a_model_by_name_that_nothing_can_be_taken_away(
    small: str, model: Model, able: frozenset[Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = LocalEngine(replace(model, capabilities=able))
    monkeypatch.setattr(engine, "current", lambda: served)
    test = opened("lab", small, k=TRAINED)
    said = said.format(small) if "{}" in said else f"{small} {said}"
    assert said in words(test).replace("\\", "")
    assert "lab_mattered" not in drawn(test)
