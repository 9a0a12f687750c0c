"""The models that the application offers beside the catalogue's: an operator lists them."""

import json
import logging

import pytest

from olmoe_viz.models.catalogue import CATALOGUE
from olmoe_viz.models.offered import LISTED, offered

REAL = "allenai/OLMoE-1B-7B-0924"
STEP = {"name": REAL, "revision": "step10000-tokens41B", "label": "0924 after 10,000 steps"}


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch):
    """Return a function that sets the operator's list, as a value or as text."""

    def put(lines: object) -> None:
        monkeypatch.setenv(LISTED, lines if isinstance(lines, str) else json.dumps(lines))

    return put


def test_without_a_list_it_is_the_catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(LISTED, raising=False)
    assert offered() == CATALOGUE


def test_a_listed_revision_is_offered_under_its_label(listed) -> None:
    listed([STEP])
    *known, step = offered()
    assert tuple(known) == CATALOGUE
    assert (step.name, step.revision) == (f"{REAL}@step10000-tokens41B", "step10000-tokens41B")
    assert (step.title, step.hub_id, step.experts) == ("0924 after 10,000 steps", REAL, 64)
    assert CATALOGUE[1].title == REAL


def test_a_model_of_the_catalogue_stays_as_it_is(listed) -> None:
    listed([{**STEP, "revision": CATALOGUE[1].revision}])
    assert offered() == CATALOGUE


@pytest.mark.parametrize(
    "lines",
    [
        "[",
        "[" * 10**5,
        "3",
        {},
        [3],
        [{"name": REAL}],
        [{**STEP, "trust": True}],
        [{**STEP, "label": ""}],
        [{**STEP, "label": "a\nb"}],
        [{**STEP, "label": "x" * 61}],
        [{**STEP, "name": "someone/else"}],
        [{**STEP, "name": "/etc"}],
        [{**STEP, "name": "olmoe-nano"}],
        [{**STEP, "revision": "../../etc"}],
        [STEP, {**STEP, "revision": 3}],
        " " * 10**6 + "[]",
    ],
)
def test_a_list_with_a_mistake_is_refused_whole_and_the_log_says_so(
    listed, lines: object, caplog: pytest.LogCaptureFixture
) -> None:
    listed(lines)
    with caplog.at_level(logging.ERROR):
        assert offered() == CATALOGUE
        assert offered() == CATALOGUE
    assert [record.getMessage().startswith(LISTED) for record in caplog.records] == [True]
