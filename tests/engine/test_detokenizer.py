import json
import random

import pytest
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from olmoe_viz.engine.detokenizer import Detokenizer
from olmoe_viz.families.tokens import TokenBytes, is_byte_level
from tests.engine.tiny import make_tokenizer


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    made = make_tokenizer()
    made.add_tokens(["   ", "|||NAME|||"])
    return made


def pushed(tokenizer: PreTrainedTokenizerFast, ids: list[int]) -> list[str]:
    detokenizer = Detokenizer(TokenBytes(tokenizer))
    return [*map(detokenizer.push, ids), detokenizer.finish()]


def test_bytes_of_a_text_are_its_utf8(tokenizer: PreTrainedTokenizerFast) -> None:
    text = "für \x00 🙂\tمرحبا   |||NAME|||\n<b>$x$"
    ids = tokenizer.backend_tokenizer.encode(text).ids
    assert b"".join(map(TokenBytes(tokenizer).of, ids)) == text.encode()
    assert is_byte_level(tokenizer)


def test_text_is_what_the_tokenizer_decodes_for_any_ids(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    draw = random.Random(0)
    for _ in range(500):
        ids = [draw.randrange(len(tokenizer)) for _ in range(12)]
        expected = tokenizer.decode(ids, skip_special_tokens=True)
        assert "".join(pushed(tokenizer, ids)) == expected


def test_half_a_character_waits_for_its_other_bytes(tokenizer: PreTrainedTokenizerFast) -> None:
    one_byte = {TokenBytes(tokenizer).of(token): token for token in range(len(tokenizer))}
    smile = [one_byte[bytes([byte])] for byte in "🙂".encode()]
    assert pushed(tokenizer, smile) == ["", "", "", "🙂", ""]
    assert pushed(tokenizer, smile[:3]) == ["", "", "", "\N{REPLACEMENT CHARACTER}"]
    letter = one_byte[b"a"]
    assert pushed(tokenizer, [*smile[:2], letter]) == ["", "", "\N{REPLACEMENT CHARACTER}a", ""]


def test_special_tokens_have_a_name_but_no_text(tokenizer: PreTrainedTokenizerFast) -> None:
    table = TokenBytes(tokenizer)
    assert table.of(0) == b"<|endoftext|>"
    assert table.is_special(0)
    assert not table.is_special(tokenizer.convert_tokens_to_ids("|||NAME|||"))
    assert pushed(tokenizer, [0]) == ["", ""]
    assert table.text([0]) == "<|endoftext|>"


def test_a_token_that_is_not_of_bytes_stands_for_its_name() -> None:
    made = make_tokenizer()
    described = json.loads(made.backend_tokenizer.to_str())
    odd = len(made)
    described["model"]["vocab"]["日 本"] = odd
    backend = Tokenizer.from_str(json.dumps(described))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend)
    assert TokenBytes(tokenizer).of(odd) == "日 本".encode()
    assert "".join(pushed(tokenizer, [odd, 5])) == tokenizer.decode([odd, 5])


def test_an_id_without_a_token_has_no_bytes(tokenizer: PreTrainedTokenizerFast) -> None:
    assert TokenBytes(tokenizer).of(len(tokenizer) + 1) == b""
