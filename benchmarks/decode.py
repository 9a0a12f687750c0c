"""Decoding speed of this project against transformers' generate, in turn in one process.

    python -m benchmarks.decode [--model NAME] [--tokens 80] [--rounds 5]

Prints the median seconds of whole runs (prompt and tokens) and their ratios: four policies in one
batch against four `generate` calls one after another, and one row at k=8 against one call. Each
call of `generate` runs with all threads and with a single one, and the faster median counts.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from transformers import OlmoeForCausalLM

import olmoe_viz as ov
from olmoe_viz.models.catalogue import BUNDLED, bundled_path

PROMPT = "Once upon a time there was a little robot who"
KS = (8, 16, 32, 64)


def main() -> None:
    """Run the rounds and print the table."""
    options = _options()
    model = ov.load_model(options.model)
    stock = _stock(model.name, model.dtype, model.device)
    prompt = model.tokenizer.backend_tokenizer.encode(PROMPT).ids
    tokens = options.tokens
    runs: dict[str, Callable[[], object]] = {
        "batch": lambda: ov.compare(model, prompt, [ov.RoutingPolicy(k) for k in KS], tokens),
        "one": lambda: ov.compare(model, prompt, [ov.RoutingPolicy(8)], tokens),
    }
    threads = sorted({1, torch.get_num_threads()})
    runs |= {
        _peer(k, count): lambda k=k, count=count: _generate(stock, prompt, k, tokens, count)
        for k in KS
        for count in threads
    }
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(options.rounds + 1):
        for name, run in runs.items():
            seconds[name].append(_timed(run))
    medians = {name: statistics.median(values[1:]) for name, values in seconds.items()}
    print(f"{tokens} tokens on {model.device}, median of {options.rounds} rounds")
    for name, value in medians.items():
        print(f"{name:24} {value:8.3f} s")
    peers = {k: min(medians[_peer(k, count)] for count in threads) for k in KS}
    print(f"four rows / four calls of generate: {medians['batch'] / sum(peers.values()):.2f}")
    print(f"one row at k=8 / generate:          {medians['one'] / peers[8]:.2f}")


def _peer(k: int, threads: int) -> str:
    return f"generate {k}, {threads} thread{'s' if threads > 1 else ''}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=BUNDLED)
    parser.add_argument("--tokens", type=int, default=80)
    parser.add_argument("--rounds", type=int, default=5)
    return parser.parse_args()


def _stock(name: str, dtype: torch.dtype, device: torch.device) -> OlmoeForCausalLM:
    folder = bundled_path() if name == BUNDLED else name
    return OlmoeForCausalLM.from_pretrained(folder, dtype=dtype, use_safetensors=True).to(device)


def _generate(
    stock: OlmoeForCausalLM, prompt: list[int], k: int, tokens: int, threads: int
) -> object:
    torch.set_num_threads(threads)
    for block in stock.model.layers:
        block.mlp.gate.top_k = k
    ids = torch.tensor([prompt], device=stock.device)
    return stock.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=tokens,
        min_new_tokens=tokens,
        do_sample=False,
    )


def _timed(run: Callable[[], object]) -> float:
    _synchronize()
    start = time.perf_counter()
    run()
    _synchronize()
    return time.perf_counter() - start


def _synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
