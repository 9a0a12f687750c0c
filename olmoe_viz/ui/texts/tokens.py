"""The words for the bytes of a token, the same on every page. Pure."""

NO_BYTES = "none: a special token"


def part_of(character: str) -> str:
    """A token that holds some of a character's bytes."""
    return f"part of the character {character}"
