"""Corpus in, tokenizer and packed token files out.

    python -m training.prepare --corpus CORPUS --out training/data

Writes ``tokenizer/`` (byte-level BPE), ``STREAM.bin`` (uint16 token ids, one end-of-text id before
each document) and the same for every domain's held-out text as ``DOMAIN.heldout.bin``.
An existing tokenizer is used again, so that weights and tokenizer never part.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from training.corpus import DOMAINS, END_OF_TEXT, read_documents, read_streams

VOCABULARY = 12_288
CONTEXT = 1_024
# Words with their leading space, digits one by one, runs of punctuation, runs of white space: the
# runs make Python's indentation one token a level.
SPLIT = r"'(?i:[sdmt]|ll|ve|re)| ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer: any bytes in, the same bytes out, no unknown token."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END_OF_TEXT, "<|padding|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END_OF_TEXT,
        pad_token="<|padding|>",
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
    )


def load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """The tokenizer that `train_tokenizer` made, from its folder."""
    tokenizer: PreTrainedTokenizerFast = PreTrainedTokenizerFast.from_pretrained(str(folder))
    return tokenizer


def tokenizer_sample(corpus: Path, characters: int, seed: int) -> Iterator[str]:
    """The same number of characters from every domain, whole documents in random order."""
    for domain in DOMAINS:
        documents = read_documents(corpus, domain)
        random.Random(seed).shuffle(documents)
        taken = 0
        for document in documents:
            if taken >= characters:
                break
            taken += len(document)
            yield document


def pack(tokenizer: PreTrainedTokenizerFast, documents: list[str]) -> np.ndarray:
    """uint16 [tokens]: every document after one end-of-text id."""
    end = tokenizer.eos_token_id
    encodings = tokenizer.backend_tokenizer.encode_batch_fast(documents, add_special_tokens=False)
    return np.concatenate([np.array([end, *each.ids], dtype=np.uint16) for each in encodings])


def main(arguments: Sequence[str] | None = None) -> None:
    """Run from the command line, or with the arguments of a test."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("training/data"))
    parser.add_argument(
        "--tokenizer", type=Path, help="use this tokenizer instead of OUT/tokenizer"
    )
    parser.add_argument("--vocabulary", type=int, default=VOCABULARY)
    parser.add_argument(
        "--sample", type=int, default=5_000_000, help="characters a domain for the BPE"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tokenizer-only", action="store_true")
    options = parser.parse_args(arguments)

    folder = options.tokenizer or options.out / "tokenizer"
    if not (folder / "tokenizer.json").is_file():
        sample = tokenizer_sample(options.corpus, options.sample, options.seed)
        train_tokenizer(sample, options.vocabulary).save_pretrained(str(folder))
    if options.tokenizer_only:
        return
    tokenizer = load_tokenizer(folder)
    options.out.mkdir(parents=True, exist_ok=True)

    def write(name: str, documents: list[str]) -> str:
        tokens = pack(tokenizer, documents)
        tokens.tofile(options.out / f"{name}.bin")
        return f"{name}: {len(documents):,} documents, {len(tokens):,} tokens"

    with ThreadPoolExecutor(4) as pool:
        for line in pool.map(lambda item: write(*item), read_streams(options.corpus).items()):
            print(line, flush=True)
        heldout = [
            (f"{name}.heldout", read_documents(options.corpus, name, heldout=True))
            for name in DOMAINS
        ]
        for line in pool.map(lambda item: write(*item), heldout):
            print(line, flush=True)


if __name__ == "__main__":
    main()
