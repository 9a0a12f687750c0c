"""Messages in the chat template of a tiny model that comes with one."""

from pathlib import Path

import pytest

import olmoe_viz as ov
from olmoe_viz.engine.inputs import encode, message_of
from olmoe_viz.models.model import Model
from olmoe_viz.requests import ChatMessage, GenerateRequest, TraceRequest, from_json, to_json
from tests.engine.tiny import CHAT_TEMPLATE, write_checkpoint

TEXTS = [
    "the robot",
    "Süß 🙂",
    "<|user|>\nthe robot\n<|assistant|>\n",
    "a\ue000b",
    "\n\nx",
    "  x  ",
]


def with_template(folder: Path, template: str) -> Model:
    """A tiny model that comes with this chat template."""
    write_checkpoint(folder, template, num_hidden_layers=1)
    return ov.load_model(str(folder), device="cpu")


@pytest.fixture(scope="module")
def chatty(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return with_template(tmp_path_factory.mktemp("chatty"), CHAT_TEMPLATE)


@pytest.mark.parametrize("text", TEXTS)
def test_a_message_is_read_as_transformers_reads_it(chatty: Model, text: str) -> None:
    trace = ov.trace(chatty, text)
    messages = [{"role": "user", "content": text}]
    stock = chatty.tokenizer.apply_chat_template(messages, add_generation_prompt=True)
    assert trace.token_ids.tolist() == stock["input_ids"]
    assert trace.request.text == ChatMessage(text)
    assert trace.text == f"<|endoftext|><|user|>\n{text}\n<|assistant|>\n"


@pytest.mark.parametrize("text", TEXTS)
def test_the_tokens_of_the_template_are_known_whatever_the_message_says(
    chatty: Model, text: str
) -> None:
    trace = ov.trace(chatty, text)
    first, stop = trace.message
    parts = [trace.token_bytes[:first], trace.token_bytes[first:stop], trace.token_bytes[stop:]]
    before, message, after = (b"".join(part).decode() for part in parts)
    # A token of both counts as the message's.
    assert "<|endoftext|><|user|>\n".startswith(before)
    assert "\n<|assistant|>\n".endswith(after)
    assert text in message
    assert len(message.strip("\n")) <= len(text)


def test_every_request_with_a_text_may_have_a_message(chatty: Model) -> None:
    prompt = ChatMessage("the robot")
    policies = [ov.RoutingPolicy(8)]
    (run,) = ov.compare(chatty, "the robot", policies, max_new_tokens=2)
    assert run.prompt == ov.trace(chatty, "the robot").text
    for request in (
        TraceRequest(chatty.name, prompt, policies[0]),
        GenerateRequest(chatty.name, prompt, tuple(policies)),
    ):
        assert from_json(to_json(request)) == request


def test_the_template_can_be_switched_off(chatty: Model) -> None:
    bare = ov.trace(chatty, "the robot", chat_template=False)
    assert (bare.text, bare.message, bare.request.text) == ("the robot", None, "the robot")
    (run,) = ov.compare(chatty, "the robot", [bare.policy], 1, chat_template=False)
    assert run.prompt == "the robot"
    assert encode(chatty, "the robot") == bare.token_ids.tolist()
    assert message_of(chatty, "the robot", bare.token_ids.tolist()) is None


def test_a_model_without_a_template_reads_the_text(model: Model) -> None:
    assert ov.trace(model, "the robot").request.text == "the robot"
    with pytest.raises(ov.InputError, match="has no chat template"):
        ov.trace(model, "the robot", chat_template=True)


def test_what_is_no_text_gets_no_template(chatty: Model) -> None:
    assert ov.trace(chatty, [5, 6]).token_ids.tolist() == [5, 6]
    with pytest.raises(ov.InputError, match="for a text"):
        ov.trace(chatty, [5, 6], chat_template=True)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no text yet"),
        ("\ud800", "half of a surrogate pair"),
        ("x" * 200_001, "200,001 characters"),
        ("x" * 90, "reads at most 96"),
    ],
)
def test_a_message_that_cannot_be_read_is_refused_in_words(
    chatty: Model, text: str, words: str
) -> None:
    with pytest.raises(ov.InputError, match=words):
        ov.trace(chatty, text)


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{% for", "cannot be used"),
        ("{{ raise_exception('no users here') }}", "cannot be used: no users here. Switch"),
        ("{{ messages.pop() }}", "cannot be used"),
        ("{{ ''.__class__.__mro__ }}", "cannot be used"),
        ("{{ messages[0].content }}{{ messages[0].content }}", "does more than to surround"),
        ("nothing of it", "does more than to surround"),
        ("{{ messages[0].content | upper }}{{ messages[0].content | length }}", "does more than"),
    ],
)
def test_a_template_that_cannot_be_shown_is_refused(
    tmp_path: Path, template: str, words: str
) -> None:
    model = with_template(tmp_path, template)
    with pytest.raises(ov.InputError, match=words):
        ov.trace(model, "the robot")
    assert ov.trace(model, "the robot", chat_template=False).text == "the robot"


def test_a_template_may_trim_the_message(tmp_path: Path) -> None:
    model = with_template(tmp_path, "<{{ messages[0].content | trim }}>")
    assert ov.trace(model, "  the robot ").text == "<the robot>"
    with pytest.raises(ov.InputError, match="no text yet"):
        ov.trace(model, "  ")


def test_a_record_tells_which_tokens_are_the_templates(chatty: Model, tmp_path: Path) -> None:
    trace = ov.trace(chatty, "the robot")
    trace.save(tmp_path / "run.safetensors")
    again = ov.Trace.load(tmp_path / "run.safetensors")
    assert (again.message, again.request) == (trace.message, trace.request)
