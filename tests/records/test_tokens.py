"""The visible text of tokens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olmoe_viz.records.tokens import display_token


@pytest.mark.parametrize(
    ("token", "shown"),
    [
        (b" world", " world"),
        ("héllo".encode(), "héllo"),
        ("🙂".encode(), "🙂"),
        ("🙂".encode()[:3], "‹F0›‹9F›‹99›"),
        (b"a\xe2\x82", "a‹E2›‹82›"),
        (b"\0", "␀"),
        (b"\n\t\r\x1b\x7f", "␊␉␍␛␡"),
        ("\u202e\u200d\u00a0\u0085".encode(), "‹U+202E›‹U+200D›‹U+00A0›‹U+0085›"),
        (b"\xed\xa0\x80", "‹ED›‹A0›‹80›"),
        (b"", ""),
    ],
)
def test_bytes_are_shown_faithfully(token: bytes, shown: str):
    assert display_token(token) == shown


@given(st.binary())
def test_every_token_is_shown_as_printable_text(token: bytes):
    assert display_token(token).isprintable()


@given(st.text(st.characters(categories=["L", "N", "P", "S"])))
def test_printable_text_is_shown_as_it_is(text: str):
    assert display_token(text.encode()) == text
