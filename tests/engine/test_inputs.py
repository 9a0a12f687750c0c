from collections.abc import Callable

import numpy as np
import pytest

import olmoe_viz as ov
from olmoe_viz.engine.inputs import check_length, encode
from olmoe_viz.models.model import Model
from olmoe_viz.requests import GenerateRequest


@pytest.mark.parametrize(
    "text",
    [
        "the robot",
        "🙂👩‍👧",
        "مرحبا",
        "<script>alert(1)</script>",
        "$x^2$",
        "a\x00b",
        " ",
        "<|padding|>",
    ],
)
def test_any_text_is_read_as_the_stock_tokenizer_reads_it(model: Model, text: str) -> None:
    ids = encode(model, text)
    assert ids == model.tokenizer(text).input_ids
    recorded = ov.trace(model, text)
    assert recorded.text == text
    assert b"".join(recorded.token_bytes) == text.encode()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("", "no text yet"),
        ([], "no text yet"),
        ("\ud800", "half of a surrogate pair"),
        ("x" * 10_000, "reads at most 96"),
        ("x" * 200_001, "200,001 characters; at most 200,000"),
        ([3] * 97, "97 tokens; .* at most 96"),
        ([3, -1], "from 0 to"),
        ([3, 10**6], "from 0 to"),
    ],
)
def test_what_cannot_be_read_is_refused_in_words(
    model: Model, given: str | list[int], words: str
) -> None:
    for call in (ov.trace, lambda model, text: ov.compare(model, text, [ov.RoutingPolicy(8)])):
        with pytest.raises(ov.InputError, match=words):
            call(model, given)


def test_ids_may_come_as_an_array(model: Model) -> None:
    assert ov.trace(model, np.array([5, 6])).token_ids.tolist() == [5, 6]
    with pytest.raises(ov.InputError, match="token ids are needed, not int"):
        ov.trace(model, 5)


@pytest.mark.parametrize(
    ("prompt", "new", "words"),
    [(90, 7, "at most 6 can be generated, not 7"), (96, 1, "fills all 96")],
)
def test_the_length_limit_is_stated(model: Model, prompt: int, new: int, words: str) -> None:
    check_length(model, 90, 6)
    with pytest.raises(ov.InputError, match=words):
        check_length(model, prompt, new)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"top_p": 0.0}, "top_p"),
        ({"top_p": 1.1}, "top_p"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**63}, "seed"),
        ({"max_new_tokens": 0}, "at least 1 token"),
    ],
)
def test_settings_are_checked(settings: dict[str, float], words: str) -> None:
    with pytest.raises(ov.InputError, match=words):
        GenerateRequest("any", "the", (ov.RoutingPolicy(8),), **settings)


def test_policies_are_checked_before_any_work(model: Model) -> None:
    with pytest.raises(ov.InputError, match="from 1 to 64; it is 65"):
        ov.stream(model, "the", [ov.RoutingPolicy(8), ov.RoutingPolicy(65)])
    with pytest.raises(ov.InputError, match="the model has 3"):
        ov.trace(model, "the", ov.RoutingPolicy((8, 8)))
    with pytest.raises(ov.InputError, match="at least one policy"):
        ov.stream(model, "the", [])
    with pytest.raises(ov.InputError, match="detail must be"):
        ov.trace(model, "the", detail="everything")


def test_an_operator_may_allow_less_than_the_model_reads(
    model: Model, configure: Callable[..., None]
) -> None:
    configure(prompt_tokens=2)
    assert len(encode(model, [5, 6])) == 2
    with pytest.raises(ov.InputError, match="3 tokens; this server reads at most 2"):
        encode(model, [5, 6, 7])
