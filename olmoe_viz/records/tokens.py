"""The visible text of a token."""


def display_token(token: bytes) -> str:
    """Return a token's bytes as visible text, spaces kept.

    A byte that is no part of valid UTF-8 is written as ‹E2›, a control character as its control
    picture (␀ for NUL, ␊ for a line feed), any other invisible character as ‹U+200D›.
    """
    return "".join(map(_visible, token.decode("utf-8", errors="surrogateescape")))


def _visible(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # where surrogateescape puts the undecodable byte
        return f"‹{code - 0xDC00:02X}›"
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    return character if character.isprintable() else f"‹U+{code:04X}›"
