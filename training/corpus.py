"""The text the bundled model is trained on: ten domains, documents, and how often each is drawn.

Knows nothing about tokens or models. One file a domain, ``DOMAIN.txt.xz``, documents separated by a
line ``<|endoftext|>``; ``DOMAIN.heldout.txt.xz`` holds other documents and is never trained on.
"""

from __future__ import annotations

import lzma
from pathlib import Path

DOMAINS = (
    "stories",
    "encyclopedia",
    "python",
    "math_latex",
    "dialogue",
    "french",
    "german",
    "spanish",
    "legal",
    "science",
)
END_OF_TEXT = "<|endoftext|>"

# What the sampler draws from. "simple_stories" are the plain modern short stories in the
# domain "stories": too few to be met often by size alone, and what makes a small model fluent.
STREAMS = (*DOMAINS, "simple_stories")


def read_documents(corpus: Path, domain: str, *, heldout: bool = False) -> list[str]:
    """All documents of one domain, in file order, without their separators."""
    name = f"{domain}.heldout.txt.xz" if heldout else f"{domain}.txt.xz"
    text = lzma.decompress((corpus / name).read_bytes()).decode("utf-8")
    documents = (part.strip("\n") for part in text.split(f"{END_OF_TEXT}\n"))
    return [document.removesuffix(END_OF_TEXT).rstrip("\n") for document in documents if document]


def is_simple_story(document: str) -> bool:
    """Whether a document of "stories" reads like the plain modern short stories.

    Short, no heading line, short words: measured on the corpus this keeps the simple stories and
    next to nothing of the nineteenth-century books.
    """
    words = document.split()
    if not words or len(document) > 3000 or len(document) < 150:
        return False
    first_line = document.split("\n", 1)[0]
    if len(first_line) < 25 or first_line.isupper():
        return False
    return sum(len(word) for word in words) / len(words) < 4.45


def read_streams(corpus: Path) -> dict[str, list[str]]:
    """Training documents by stream; the simple stories stand apart from the other stories."""
    streams = {domain: read_documents(corpus, domain) for domain in DOMAINS}
    stories = streams["stories"]
    streams["simple_stories"] = [text for text in stories if is_simple_story(text)]
    streams["stories"] = [text for text in stories if not is_simple_story(text)]
    return streams
