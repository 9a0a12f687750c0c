"""From token ids to bytes.

Knows nothing about models. Serves byte-level BPE tokenizers, in which every character of a token
stands for one byte (the table of GPT-2, which GPT-NeoX and OLMoE use).
"""

from collections.abc import Iterable

from transformers import PreTrainedTokenizerFast


def _byte_table() -> dict[str, int]:
    """Return the byte that each character of a byte-level token stands for.

    Printable Latin-1 characters stand for themselves, the other 68 bytes for the characters from
    U+0100 on, in order.
    """
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    moved = [byte for byte in range(256) if byte not in plain]
    table = {chr(byte): byte for byte in plain}
    return table | {chr(0x100 + place): byte for place, byte in enumerate(moved)}


_BYTES = _byte_table()


def is_byte_level(tokenizer: PreTrainedTokenizerFast) -> bool:
    """Return whether the tokenizer decodes by bytes, as this module does."""
    return type(tokenizer.backend_tokenizer.decoder).__name__ == "ByteLevel"


class TokenBytes:
    """The bytes behind the token ids of one tokenizer, as of when this object was made."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self._backend = tokenizer.backend_tokenizer
        self._added = self._backend.get_added_tokens_decoder()

    def of(self, token: int) -> bytes:
        """Return a token's exact bytes; none for an id that the tokenizer does not know.

        An added token, such as the end of text, stands for its name, and so does a token with a
        character that stands for no byte, as in the tokenizer's own decoding.
        """
        if token in self._added:
            content: str = self._added[token].content
            return content.encode("utf-8")
        name = self._backend.id_to_token(token) or ""
        try:
            return bytes(_BYTES[character] for character in name)
        except KeyError:
            return name.encode("utf-8")

    def is_special(self, token: int) -> bool:
        """Return whether the token marks something, such as the end, instead of being text."""
        return token in self._added and bool(self._added[token].special)

    def text(self, tokens: Iterable[int]) -> str:
        """Return the whole text of the tokens, special ones by name; U+FFFD for broken UTF-8."""
        return b"".join(map(self.of, tokens)).decode("utf-8", errors="replace")
