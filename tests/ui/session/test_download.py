"""A large model is fetched only after its size is said and somebody agrees."""

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from olmoe_viz.engine.engine import Ticket
from olmoe_viz.errors import ModelError
from olmoe_viz.models import catalogue
from olmoe_viz.models.catalogue import BUNDLED, OnDisk, find
from olmoe_viz.ui.texts import frame as texts
from olmoe_viz.ui.widgets.wording import plain
from tests.ui.engines import ByHand, serve
from tests.ui.visitor import app, checked

LARGE = "allenai/OLMoE-1B-7B-0924"
NOTHING = OnDisk(complete=False, arrived=0, free=200 * 10**9, hub_is_off=False)
LARGE_LINK = "model=allenai/OLMoE-1B-7B-0924"


def unreachable(ticket: Ticket) -> None:
    ticket.fail(ModelError("It cannot be reached."))


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> Callable[[OnDisk], ByHand]:
    """Return a function that says what is on the disk, and gives the engine that is asked."""

    def put(found: OnDisk) -> ByHand:
        monkeypatch.setattr(catalogue, "on_disk", lambda _: found)
        made = ByHand(unreachable)
        serve(monkeypatch, made)
        return made

    return put


def press(test: AppTest, label: str) -> AppTest:
    (button,) = (each for each in test.button if each.label == label)
    return checked(button.click().run())


def labels(test: AppTest) -> list[str]:
    return [button.label for button in test.button]


@pytest.mark.parametrize("page", ["map", "follow", "compare"])
def test_nothing_is_fetched_before_somebody_agrees(
    there: Callable[[OnDisk], ByHand], page: str
) -> None:
    engine = there(NOTHING)
    test = app(LARGE_LINK + "&generate=1" * (page == "compare"), page)
    (said,) = test.info
    for words in ("14 GB", "15 GB of memory", "18 minutes", "200 GB of the disk are free"):
        assert plain(words) in said.value
    assert engine.tickets == []
    assert not test.error
    press(test, "Download 14 GB")
    assert {ticket.request.model for ticket in engine.tickets} == {LARGE}


def test_a_choice_in_the_frame_is_asked_about_and_can_be_taken_back(
    there: Callable[[OnDisk], ByHand],
) -> None:
    engine = there(NOTHING)
    test = app("order=probability")
    checked(test.selectbox(key="choice_model").select(LARGE).run())
    assert len(test.info) == 1
    press(test, texts.BACK)
    assert test.selectbox(key="choice_model").value == BUNDLED
    assert not test.info
    assert engine.tickets == []
    assert "model" not in test.query_params


def test_what_has_arrived_is_told_and_gone_on_from(there: Callable[[OnDisk], ByHand]) -> None:
    there(OnDisk(complete=False, arrived=5 * 10**9, free=200 * 10**9, hub_is_off=False))
    test = app(LARGE_LINK)
    assert plain("5.0 GB have arrived already; the download goes on") in test.info[0].value
    assert "Go on, 8.8 GB" in labels(test)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (OnDisk(complete=False, arrived=0, free=200 * 10**9, hub_is_off=True), "HF_HUB_OFFLINE"),
        (OnDisk(complete=False, arrived=0, free=10**9, hub_is_off=False), "1.0 GB are free"),
    ],
)
def test_what_cannot_be_fetched_is_not_offered(
    there: Callable[[OnDisk], ByHand], found: OnDisk, words: str
) -> None:
    engine = there(found)
    test = app(LARGE_LINK)
    assert plain(words) in test.error[0].value
    assert {texts.AGAIN, texts.BACK} <= set(labels(test))
    assert not any(label.startswith("Download") for label in labels(test))
    press(test, texts.BACK)
    assert not test.error
    assert engine.tickets == []


def test_after_a_failure_one_can_try_again_or_go_back(there: Callable[[OnDisk], ByHand]) -> None:
    engine = there(NOTHING)
    test = press(app(LARGE_LINK), "Download 14 GB")
    assert test.error[0].value == plain("It cannot be reached.")
    press(test, texts.AGAIN)
    assert len(engine.tickets) == 2
    press(test, texts.BACK)
    assert not test.error
    checked(test.selectbox(key="choice_model").select(LARGE).run())
    assert len(test.info) == 1  # asked anew
    assert len(engine.tickets) == 2


def test_a_model_that_is_here_is_not_asked_about(there: Callable[[OnDisk], ByHand]) -> None:
    whole = OnDisk(complete=True, arrived=14 * 10**9, free=0, hub_is_off=False)
    engine = there(whole)
    test = app(LARGE_LINK)
    assert not test.info
    assert len(engine.tickets) == 1


def test_the_words_name_what_is_missing() -> None:
    model = find("allenai/OLMoE-1B-7B-0125")
    assert model is not None
    assert "28 GB" in texts.question(model, NOTHING)
    assert texts.download(model, NOTHING) == "Download 28 GB"
    assert texts.refusal(model, NOTHING) is None
