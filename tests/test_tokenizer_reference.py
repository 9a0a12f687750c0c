"""The bytes of the tokens of a text, joined, are the text; and the ids that OLMoE makes of it.

OLMoE's tokenizer is not part of this repository. The tests of its ids are there only where its file
is: named by OLMOE_TOKENIZER, or beside the repository.
"""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from transformers import PreTrainedTokenizerFast

from olmoe_viz.engine.inputs import encode
from olmoe_viz.families.tokens import TokenBytes, is_byte_level
from olmoe_viz.models.catalogue import bundled_path
from olmoe_viz.models.model import Model
from olmoe_viz.numerics.geometry import OLMOE_1B_7B

NAMED = os.environ.get("OLMOE_TOKENIZER")
BESIDE = Path(__file__).parent.parent.parent / "shared" / "reference" / "olmoe-tokenizer.json"
OLMOE = Path(NAMED) if NAMED else BESIDE
AT_HAND = bool(NAMED) or OLMOE.is_file()
TOKENIZERS = [bundled_path() / "tokenizer.json", *([OLMOE] if AT_HAND else [])]

EXPECTED = {
    "Artificial intelligence is": (
        [11796, 11232, 9260, 310],
        [b"Art", b"ificial", b" intelligence", b" is"],
    ),
    "Explain machine learning:": (
        [1672, 19104, 5145, 4715, 27],
        [b"Ex", b"plain", b" machine", b" learning", b":"],
    ),
}
TEXTS = [*EXPECTED, "Süß 🙂\n\tdef f(x):  return x ", "\u200d$x^2$ <b>&"]


def encode_with(path: Path, text: str) -> tuple[list[int], list[bytes]]:
    """Return the ids and bytes that the engine makes of a text with the tokenizer of a file."""
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(path))
    assert is_byte_level(tokenizer)
    model = SimpleNamespace(name="reference", tokenizer=tokenizer, geometry=OLMOE_1B_7B)
    ids = encode(cast(Model, model), text)
    return ids, [TokenBytes(tokenizer).of(token) for token in ids]


@pytest.mark.parametrize("path", TOKENIZERS, ids=lambda path: str(path.stem))
@pytest.mark.parametrize("text", TEXTS)
def test_the_bytes_of_the_tokens_are_the_text(path: Path, text: str):
    _, token_bytes = encode_with(path, text)
    assert b"".join(token_bytes).decode() == text


if AT_HAND:

    @pytest.mark.parametrize("text", EXPECTED)
    def test_olmoes_tokenizer_makes_the_ids_known_from_olmoe(text: str):
        assert encode_with(OLMOE, text) == EXPECTED[text]
