"""Text from tokens that arrive one at a time."""

from codecs import getincrementaldecoder

from olmoe_viz.families.tokens import TokenBytes


class Detokenizer:
    """Text from tokens that arrive one at a time; never half a character.

    Bytes wait until their character is complete. What can no longer become a character is
    U+FFFD, as in the tokenizer's own decoding. Special tokens give no text.
    """

    def __init__(self, table: TokenBytes) -> None:
        self._table = table
        self._decoder = getincrementaldecoder("utf-8")(errors="replace")

    def push(self, token: int) -> str:
        """Return the text that this token completes; often its own, sometimes none."""
        if self._table.is_special(token):
            return ""
        return self._decoder.decode(self._table.of(token))

    def finish(self) -> str:
        """Return what waits: U+FFFD if the last character is incomplete, else nothing."""
        return self._decoder.decode(b"", final=True)
