"""What OLMoE's own tokenizer makes of two prompts, where its file is at hand.

The file is not part of this repository. Without it the same functions are held to what every
tokenizer must keep: the bytes of its tokens, joined, are the text.
"""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from transformers import PreTrainedTokenizerFast

from olmoe_viz.costs import OLMOE_1B_7B
from olmoe_viz.engine.inputs import encode
from olmoe_viz.engine.text import TokenBytes, is_byte_level
from olmoe_viz.models.catalogue import bundled_path
from olmoe_viz.models.load import Model

NAMED = os.environ.get("OLMOE_TOKENIZER")
BESIDE = Path(__file__).parent.parent.parent / "shared" / "reference" / "olmoe-tokenizer.json"
REAL = Path(NAMED) if NAMED else BESIDE

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


@pytest.mark.parametrize("text", TEXTS)
def test_tokens_are_the_text_and_the_known_ids(text: str):
    path = REAL if NAMED or REAL.exists() else bundled_path() / "tokenizer.json"
    ids, token_bytes = encode_with(path, text)
    assert b"".join(token_bytes).decode() == text
    if path == REAL and text in EXPECTED:
        assert (ids, token_bytes) == EXPECTED[text]
