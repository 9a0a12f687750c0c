"""What an operator has set, as visitors meet it: limits, who may load, who may see, About."""

from collections.abc import Callable

import pytest

from olmoe_viz.engine.admission import Admission
from olmoe_viz.errors import EngineError
from olmoe_viz.models import catalogue
from olmoe_viz.requests import GenerateRequest
from olmoe_viz.settings import Settings
from olmoe_viz.ui.session import engine, sign_in
from olmoe_viz.ui.texts import about, compare
from olmoe_viz.ui.texts import frame as texts
from olmoe_viz.ui.widgets.wording import plain
from tests.ui.engines import ByHand, Watched, serve
from tests.ui.visitor import app, checked, page


def labels(test) -> list[str]:
    return [button.label for button in test.button]


def test_who_asks_too_often_reads_a_sentence_and_can_try_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = ByHand()
    serve(monkeypatch, made)
    tired = Admission(Settings(requests_per_minute=1))
    tired.check(page_request(), "a")
    monkeypatch.setattr(engine, "admission", lambda: _Same(tired))
    test = app("prompt=Twice")
    assert "Try again in" in test.error[0].value
    assert texts.AGAIN in labels(test)
    assert made.tickets == []


def test_controls_of_compare_go_no_further_than_the_server(
    monkeypatch: pytest.MonkeyPatch, configure: Callable[..., None]
) -> None:
    configure(columns=3, new_tokens=24, prompt_tokens=300)
    watched = Watched()
    watched.broken[GenerateRequest] = EngineError("It ends here.")
    serve(monkeypatch, watched)
    test = app("tokens=200&columns=k=1~k=2~k=4~k=8", "compare")
    said = [caption.value for caption in test.caption]
    assert any("at most 3 columns and texts of at most 24 tokens." in each for each in said)
    assert plain(texts.longest_prompt(300)) in map(plain, said)
    tokens = test.number_input(key="sampling_new_tokens")
    assert (tokens.value, tokens.max) == (24, 24)
    (add,) = (button for button in test.button if button.label == compare.ADD_COLUMN)
    assert add.disabled
    next(button for button in test.button if button.label == "Generate").click().run()
    (asked,) = (each for each in watched.asked if isinstance(each, GenerateRequest))
    assert asked.max_new_tokens == 24
    assert [policy.k for policy in asked.policies] == [1, 2, 4]


class _Same:
    """Takes every session for one visitor."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission

    def check(self, request, _: str) -> None:
        self._admission.check(request, "a")


def page_request():
    from olmoe_viz.requests import ModelRequest

    return ModelRequest("olmoe-nano")


def test_a_large_model_is_loaded_for_those_whom_the_operator_names(
    monkeypatch: pytest.MonkeyPatch, configure: Callable[..., None]
) -> None:
    configure(models="catalogue", loaders="teacher@school.org")
    made = ByHand(lambda ticket: ticket.cancel())
    serve(monkeypatch, made)
    test = app("model=allenai/OLMoE-1B-7B-0924")
    assert test.error[0].value == plain(texts.MAY_NOT_LOAD)
    assert made.tickets == []
    there = catalogue.OnDisk(complete=True, arrived=0, free=0, hub_is_off=False)
    monkeypatch.setattr(catalogue, "on_disk", lambda _: there)
    monkeypatch.setattr(sign_in, "email", lambda: "Teacher@school.org")
    from olmoe_viz.ui.session import download

    download.check("allenai/OLMoE-1B-7B-0924")


def test_the_pages_are_shown_to_those_on_the_list(
    monkeypatch: pytest.MonkeyPatch, configure: Callable[..., None]
) -> None:
    configure(visitors="pupil@school.org")
    test = app()
    assert texts.SIGN_IN in labels(test)
    assert "draft" not in test.session_state
    monkeypatch.setattr(sign_in, "email", lambda: "somebody@else.org")
    assert test.run().error[0].value == plain(texts.NOT_INVITED)
    monkeypatch.setattr(sign_in, "email", lambda: "pupil@school.org")
    assert "draft" in checked(test.run()).session_state


def test_about_says_what_is_set_and_no_secret(configure: Callable[..., None]) -> None:
    configure(token="a-token-nobody-reads", engine="http://10.1.2.3:8600", runs="/srv/class")  # noqa: S106
    test = page(app(), "about")
    said = str([table.value.to_dict() for table in test.table])
    assert about.SETTINGS["requests_per_minute"] in said
    assert "another machine" in said
    for secret in ("a-token-nobody-reads", "10.1.2.3", "/srv/class"):
        assert secret not in said


def test_every_setting_is_on_about_or_said_to_stay_off_it() -> None:
    assert {*about.SETTINGS, "token"} == set(vars(Settings()))
