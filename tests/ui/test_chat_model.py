"""The pages on a tiny model that was tuned on conversations: its template, marked, and without."""

import json
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from streamlit.testing.v1 import AppTest

import olmoe_viz as ov
from olmoe_viz.engine.local import LocalEngine
from olmoe_viz.models import catalogue
from olmoe_viz.models.catalogue import Entry
from olmoe_viz.models.model import Model
from olmoe_viz.requests import ChatMessage
from olmoe_viz.ui.session import engine
from olmoe_viz.ui.texts import frame as texts
from tests.engine.tiny import CHAT_TEMPLATE, write_checkpoint
from tests.ui.engines import Watched, serve
from tests.ui.visitor import app, checked

PROMPT = "the little robot"
MARK = "of the chat template"


@pytest.fixture(scope="module")
def chatty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Model]:
    """A model that the application offers, and that its engine holds."""
    folder = write_checkpoint(tmp_path_factory.mktemp("chatty"), CHAT_TEMPLATE)
    model = ov.load_model(str(folder), device="cpu")
    entry = Entry(model.name, None, None, "A random model.", 96, layers=3, chat=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalogue, "CATALOGUE", (*catalogue.CATALOGUE, entry))
        served = LocalEngine(model)
        patch.setattr(engine, "started", lambda *_: True)
        patch.setattr(engine, "current", lambda: served)
        yield model


@pytest.fixture
def watched(chatty: Model, monkeypatch: pytest.MonkeyPatch) -> Watched:
    made = Watched()
    serve(monkeypatch, made)
    return made


def opened(model: Model, name: str, **query: object) -> AppTest:
    return app(urlencode({"model": model.name, "prompt": PROMPT} | query), name)


def part(test: AppTest, key: str) -> dict[str, object]:
    """What a component of this key was given."""
    found = [each.proto for each in test.get("bidi_component")]
    ((data,),) = (json.loads(each.json) for each in found if each.id.endswith(f"-{key}"))
    return data


def said(test: AppTest) -> list[str]:
    return [each.value for each in (*test.caption, *test.text)]


def test_the_map_says_so_and_marks_the_tokens_of_the_template(chatty: Model) -> None:
    test = opened(chatty, "map")
    trace = ov.trace(chatty, PROMPT)
    assert texts.CHAT_TEMPLATE_SAYS[True] in said(test)
    assert part(test, "map-feed")["message"] == list(trace.message)
    options = test.selectbox(key="pick_token").options
    assert [MARK in option for option in options] == [
        at in trace.template for at in range(len(trace.tokens))
    ]
    assert 0 < len(trace.template) < len(trace.tokens)


def test_follow_marks_them_too(chatty: Model) -> None:
    test = opened(chatty, "follow", token=0)
    trace = ov.trace(chatty, PROMPT)
    cells = part(test, "token_picker")["cells"]
    quiet = {at for at, cell in enumerate(cells) if cell["quiet"]}
    assert quiet == trace.template == {at for at, cell in enumerate(cells) if MARK in cell["words"]}
    assert any(each.startswith("token 0") and MARK in each for each in said(test))


def test_it_can_be_switched_off_and_a_link_says_so(chatty: Model, watched: Watched) -> None:
    prompt = "the garden"  # of no other test: what was answered before is not asked again
    test = opened(chatty, "map", prompt=prompt)
    checked(test.toggle(key="choice_chat").set_value(False).run())
    assert test.query_params["template"] == "off"
    assert texts.CHAT_TEMPLATE_SAYS[False] in said(test)
    assert part(test, "map-feed")["message"] is None
    assert not any(MARK in option for option in test.selectbox(key="pick_token").options)
    linked = opened(chatty, "map", prompt=prompt, template="off", k=16)
    assert linked.toggle(key="choice_chat").value is False
    assert [each.text for each in watched.asked] == [ChatMessage(prompt), prompt, prompt]


@pytest.mark.parametrize("switched_off", [False, True])
def test_compare_asks_all_it_asks_with_or_without_it(
    chatty: Model, watched: Watched, switched_off: bool
) -> None:
    prompt, off = "a red ball", {"template": "off"} if switched_off else {}
    columns = {"columns": "k=1~k=16", "tokens": 4, "generate": 1}
    test = opened(chatty, "compare", prompt=prompt, **columns, **off)
    checked(test.button(key="time_alone").click().run())
    assert not test.error
    asked = {
        type(each).__name__: text
        for each in watched.asked
        if (text := getattr(each, "prompt", getattr(each, "text", ()))) and type(text) is not tuple
    }
    kinds = ("GenerateRequest", "ScoreRequest", "TraceRequest", "TimeRequest")
    assert asked == dict.fromkeys(kinds, prompt if switched_off else ChatMessage(prompt))


def test_other_models_have_no_such_switch(chatty: Model) -> None:
    test = app()
    assert not [each for each in test.toggle if each.key == "choice_chat"]
    assert not set(texts.CHAT_TEMPLATE_SAYS.values()) & set(said(test))
