import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olmoe_viz.ui.widgets.token_characters import described

EMOJI, ALEF = "😀".encode(), "ا".encode()


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        ([b" was"], ["20 77 61 73; 4 characters"]),
        (["é".encode()], ["C3 A9; 1 character"]),
        (
            [EMOJI[:3], EMOJI[3:]],
            ["F0 9F 98; part of the character 😀", "80; part of the character 😀"],
        ),
        (
            [b"a" + ALEF[:1], ALEF[1:] + b" b"],
            [
                "61 D8; 1 character, part of the character ا",
                "A7 20 62; 2 characters, part of the character ا",
            ],
        ),
        ([b"a", b"", b"b"], ["61; 1 character", "none: a special token", "62; 1 character"]),
        ([b"\xe2", b"a"], ["E2; 0 characters", "61; 1 character"]),
    ],
)
def test_a_token_says_which_characters_its_bytes_are(tokens: list[bytes], words: list[str]) -> None:
    assert described(tokens) == words


@given(st.text(st.characters(exclude_categories=["Cs"])), st.data())
def test_every_whole_character_is_counted_once(text: str, data: st.DataObject) -> None:
    whole = text.encode()
    cuts = data.draw(st.sets(st.integers(0, len(whole)))) | {0, len(whole)}
    tokens = [whole[start:stop] for start, stop in pairwise(sorted(cuts))]
    counted = re.findall(r"; (\d+) character", "\n".join(described(tokens)))
    cut = sum(1 for at in range(len(text)) if inside(text, at, cuts))
    assert sum(map(int, counted)) + cut == len(text)


def inside(text: str, at: int, cuts: set[int]) -> bool:
    """Whether a token ends within the character at this place."""
    start = len(text[:at].encode())
    return any(start < cut < start + len(text[at].encode()) for cut in cuts)
