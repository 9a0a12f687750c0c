"""The text and the bytes of each token, found again from a record of a text. Pure.

A record has the text and the names of its tokens; the pieces that came while it was written are
gone with the steps.
"""

import re
from codecs import getincrementaldecoder
from collections.abc import Sequence

# What `records.tokens.display_token` writes for bytes that cannot be shown.
_SIGN = re.compile(r"‹U\+(?P<code>[0-9A-F]{4,6})›|‹(?P<byte>[0-9A-F]{2})›|(?P<control>[␀-␟␡])")


def split(text: str, names: Sequence[str]) -> list[str]:
    """Return the text that each token completes, often its own, sometimes none.

    `names` are the tokens as `display_token` writes them. Together the pieces are the text; what no
    token completes is in the last one.
    """
    decoder = getincrementaldecoder("utf-8")(errors="replace")
    pieces = [decoder.decode(part) for part in token_bytes(text, names)]
    if pieces:
        pieces[-1] += text[sum(map(len, pieces)) :]
    return pieces


def token_bytes(text: str, names: Sequence[str]) -> list[bytes]:
    """Return the bytes that each token adds to the text; none for a special token."""
    decoder = getincrementaldecoder("utf-8")(errors="replace")
    found, place = [], 0
    for name in names:
        before, piece = decoder.getstate(), ""
        # A name stands for itself or for bytes; that of a special token has no text.
        for meant in (name.encode(), _bytes(name), b""):
            decoder.setstate(before)
            piece = decoder.decode(meant)
            if text.startswith(piece, place):
                break
        found.append(meant)
        place += len(piece)
    return found


def _bytes(name: str) -> bytes:
    """The bytes that a name stands for."""
    found, place = b"", 0
    for sign in _SIGN.finditer(name):
        found += name[place : sign.start()].encode() + _meant(sign)
        place = sign.end()
    return found + name[place:].encode()


def _meant(sign: re.Match[str]) -> bytes:
    if sign["byte"]:
        return bytes([int(sign["byte"], 16)])
    if sign["code"]:
        return chr(int(sign["code"], 16)).encode("utf-8", "surrogatepass")
    return b"\x7f" if sign["control"] == "␡" else bytes([ord(sign["control"]) - 0x2400])
