"""The bytes of each token of a text and the characters that they are, in words. Pure.

A token of byte-level BPE may end within a character, whose other bytes are in its neighbors.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate
from operator import itemgetter

from olmoe_viz.records.tokens import display_token
from olmoe_viz.ui.texts import tokens as texts
from olmoe_viz.ui.widgets.wording import count

Character = tuple[int, int]  # first byte in the text, and the one after its last


def described(parts: Sequence[bytes]) -> list[str]:
    """For each token its bytes, how many whole characters they are, and what they are a part of."""
    whole = b"".join(parts)
    characters = _characters(whole)
    ends = list(accumulate(map(len, parts)))
    return [
        _described(whole, end - len(part), end, characters)
        for part, end in zip(parts, ends, strict=True)
    ]


def _described(whole: bytes, start: int, end: int, characters: Sequence[Character]) -> str:
    if start == end:
        return texts.NO_BYTES
    touched = characters[
        bisect_right(characters, start, key=itemgetter(1)) : bisect_left(
            characters, end, key=itemgetter(0)
        )
    ]
    cut = [(first, last) for first, last in touched if first < start or end < last]
    words = [texts.part_of(display_token(whole[first:last])) for first, last in cut]
    if len(touched) > len(cut) or not words:
        words.insert(0, count(len(touched) - len(cut), "character"))
    return f"{whole[start:end].hex(' ').upper()}; {', '.join(words)}"


def _characters(whole: bytes) -> list[Character]:
    """Where the characters of valid UTF-8 are; other bytes are none."""
    text = whole.decode("utf-8", errors="surrogateescape")
    sizes = [len(character.encode("utf-8", "surrogateescape")) for character in text]
    return [
        (end - size, end)
        for character, size, end in zip(text, sizes, accumulate(sizes), strict=True)
        if not "\udc80" <= character <= "\udcff"
    ]
