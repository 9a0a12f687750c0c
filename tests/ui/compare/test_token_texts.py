from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olmoe_viz.engine.detokenizer import Detokenizer
from olmoe_viz.records.tokens import display_token
from olmoe_viz.ui.compare.token_texts import split, token_bytes

MARKS = b"<|endoftext|>"


class Table:
    """Tokens by number; the one that is `MARKS` is special."""

    def __init__(self, tokens: list[bytes]) -> None:
        self._tokens = tokens

    def of(self, token: int) -> bytes:
        return self._tokens[token]

    def is_special(self, token: int) -> bool:
        return self._tokens[token] == MARKS


def written(tokens: list[bytes]) -> list[str]:
    """The pieces as a text comes that is written token by token."""
    detokenizer = Detokenizer(Table(tokens))
    pieces = [detokenizer.push(token) for token in range(len(tokens))]
    if pieces:
        pieces[-1] += detokenizer.finish()
    return pieces


@st.composite
def tokens_of_texts(draw: st.DrawFn) -> list[bytes]:
    """A text cut anywhere, also within its characters, and the end of text here and there."""
    whole = draw(st.text(st.characters(blacklist_characters="‹", blacklist_categories=["Cs"])))
    data = whole.encode()
    cuts = sorted(draw(st.sets(st.integers(0, len(data)))) | {0, len(data)})
    tokens = [data[start:stop] for start, stop in pairwise(cuts)]
    return [
        part for token in tokens for part in ([token, MARKS] if draw(st.booleans()) else [token])
    ]


@given(tokens_of_texts())
def test_a_text_falls_into_the_pieces_in_which_it_was_written(tokens: list[bytes]) -> None:
    pieces = written(tokens)
    assert split("".join(pieces), list(map(display_token, tokens))) == pieces


@given(tokens_of_texts())
def test_the_bytes_of_the_tokens_are_found_again(tokens: list[bytes]) -> None:
    text = "".join(written(tokens))
    expected = [b"" if token == MARKS else token for token in tokens]
    assert token_bytes(text, list(map(display_token, tokens))) == expected


@given(st.lists(st.binary(min_size=1, max_size=4)))
def test_also_where_bytes_are_no_characters(tokens: list[bytes]) -> None:
    pieces = written(tokens)
    assert split("".join(pieces), list(map(display_token, tokens))) == pieces


@pytest.mark.parametrize("sign", ["‹E2›", "␊", "‹U+200D›", "\u200d", "\n", "<|endoftext|>"])
def test_a_sign_that_the_text_has_itself_stays(sign: str) -> None:
    assert split(f"a{sign}b", ["a", display_token(sign.encode()), "b"]) == ["a", sign, "b"]


@given(st.text(), st.lists(st.text()))
def test_the_pieces_are_the_text_whatever_the_names(text: str, names: list[str]) -> None:
    assert not names or "".join(split(text, names)) == text
