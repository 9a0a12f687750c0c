"""Measure a trained model on the held-out text; every figure of the model card comes from here.

    python -m training.evaluate --data training/data --run training/runs/nano --out training/results

Writes ``quality.csv`` (bits per byte by domain, k and weighting, with a bootstrap interval),
``experts.csv`` (share of each domain's tokens that each expert gets), ``layers.csv`` (retained
mass, entropy and load by layer), ``router_checkpoints.safetensors`` (the top-8 choices on one
probe set while training went on) and, last, ``measured.json`` (the digest of the weights that all
this was measured on). Runs in float32; a GPU takes some minutes, two CPU cores an hour or two.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file
from safetensors.torch import load_file
from torch import Tensor
from transformers import OlmoeForCausalLM, PreTrainedTokenizerFast

from olmoe_viz.engine.router import install_routers, routing
from olmoe_viz.models.files import digest, weight_files
from olmoe_viz.policy import WEIGHTINGS, RoutingPolicy
from training.corpus import DOMAINS
from training.prepare import load_tokenizer

KS = (1, 2, 4, 8, 16, 32, 64)
WINDOW = 1024
BATCH = 24
PROBE_TOKENS = 250  # of each domain
RESAMPLES = 2000
MEASURED = "measured.json"
Rows = list[dict[str, Any]]


def bytes_of_tokens(tokenizer: PreTrainedTokenizerFast) -> NDArray[np.int64]:
    """UTF-8 bytes of every token id: one for each letter of a byte-level token, 0 if special."""
    special = set(tokenizer.all_special_tokens)
    tokens = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    return np.array([0 if token in special else len(token) for token in tokens])


def heldout_windows(data: Path, domain: str, window: int) -> NDArray[np.int64]:
    """int64 [windows, window + 1]; each starts on the last token before it, the rest is cut."""
    tokens = np.fromfile(data / f"{domain}.heldout.bin", dtype=np.uint16).astype(np.int64)
    count = (len(tokens) - 1) // window
    if count == 0:
        raise ValueError(
            f"The held-out text of {domain} is shorter than one window of {window} tokens."
        )
    return np.stack([tokens[i * window : (i + 1) * window + 1] for i in range(count)])


def batches(windows: NDArray[np.int64], device: torch.device) -> Iterator[Tensor]:
    """Windows in batches, on the device."""
    for first in range(0, len(windows), BATCH):
        yield torch.from_numpy(windows[first : first + BATCH]).to(device)


@torch.no_grad()
def window_nats(
    model: OlmoeForCausalLM, windows: NDArray[np.int64], policy: RoutingPolicy
) -> NDArray[np.float64]:
    """Cross-entropy of each window in nats, summed over its targets."""
    sums = []
    for window in batches(windows, model.device):
        with routing([policy]):
            logits = model(window[:, :-1], use_cache=False).logits
        losses = torch.nn.functional.cross_entropy(
            logits.flatten(0, 1).float(), window[:, 1:].flatten(), reduction="none"
        )
        sums.append(losses.view(len(window), -1).double().sum(1).cpu().numpy())
    return np.concatenate(sums)


def bootstrap(
    nats: NDArray[np.float64], sizes: NDArray[np.int64], seed: int
) -> NDArray[np.float64]:
    """Bits per byte of RESAMPLES draws of the windows, with replacement."""
    picks = np.random.default_rng(seed).integers(0, len(nats), (RESAMPLES, len(nats)))
    bits: NDArray[np.float64] = nats[picks].sum(1) / sizes[picks].sum(1) / math.log(2)
    return bits


def quality(
    model: OlmoeForCausalLM,
    windows: dict[str, NDArray[np.int64]],
    bytes_of: NDArray[np.int64],
    ks: Iterable[int],
) -> Rows:
    """One row for each k, weighting and domain, and "all" for the plain mean over the domains."""
    rows: Rows = []
    for k in ks:
        for weighting in WEIGHTINGS:
            draws, means, tokens_of_all = [], [], 0
            for seed, (domain, window) in enumerate(windows.items()):
                sizes = bytes_of[window[:, 1:]].sum(1)
                nats = window_nats(model, window, RoutingPolicy(k, weighting))
                draws.append(bootstrap(nats, sizes, seed))
                means.append(nats.sum() / sizes.sum() / math.log(2))
                tokens = window[:, 1:].size
                tokens_of_all += tokens
                rows.append(
                    quality_row(
                        k, weighting, domain, tokens, int(sizes.sum()), means[-1], draws[-1]
                    )
                )
            size = sum(row["bytes"] for row in rows[-len(windows) :])
            mean = float(np.mean(means))
            rows.append(
                quality_row(k, weighting, "all", tokens_of_all, size, mean, np.mean(draws, axis=0))
            )
            print(f"k={k} {weighting}: {mean:.4f} bits per byte", flush=True)
    return rows


def quality_row(
    k: int,
    weighting: str,
    domain: str,
    tokens: int,
    size: int,
    bits: float,
    draws: NDArray[np.float64],
) -> dict[str, Any]:
    """One line of ``quality.csv``; low and high are the 95 % bootstrap interval."""
    low, high = np.percentile(draws, [2.5, 97.5])
    row = {"k": k, "weighting": weighting, "domain": domain, "tokens": tokens, "bytes": size}
    return row | {"bits_per_byte": f"{bits:.5f}", "low": f"{low:.5f}", "high": f"{high:.5f}"}


@torch.no_grad()
def router_probabilities(model: OlmoeForCausalLM, windows: Tensor) -> Tensor:
    """float32 [layers, windows * tokens, experts] under the trained k."""
    recorded: dict[int, Tensor] = {}
    with routing([RoutingPolicy(model.config.num_experts_per_tok)], recorded):
        model.model(windows, use_cache=False)
    return torch.stack([recorded[layer].float().softmax(-1) for layer in sorted(recorded)])


def routing_tables(
    model: OlmoeForCausalLM, windows: dict[str, NDArray[np.int64]]
) -> tuple[Rows, Rows]:
    """(rows of ``experts.csv``, rows of ``layers.csv``)."""
    k, shares, masses, entropies = model.config.num_experts_per_tok, [], [], []
    for window in windows.values():
        parts = [
            router_probabilities(model, batch[:, :-1]) for batch in batches(window, model.device)
        ]
        probabilities = torch.cat(parts, dim=1)
        top = probabilities.topk(k, dim=-1)
        chosen = torch.zeros_like(probabilities).scatter_(-1, top.indices, 1.0)
        shares.append(chosen.mean(1).cpu().numpy())  # [layers, experts]
        masses.append(top.values.sum(-1).cpu().numpy())  # [layers, tokens]
        entropies.append(
            -(probabilities * probabilities.clamp_min(1e-30).log()).sum(-1).cpu().numpy()
        )
    share, mass, entropy = np.stack(shares), np.concatenate(masses, 1), np.concatenate(entropies, 1)
    layers, experts = share.shape[1:]
    expert_rows = [
        {"layer": layer, "expert": expert}
        | {domain: f"{share[i, layer, expert]:.4f}" for i, domain in enumerate(windows)}
        for layer in range(layers)
        for expert in range(experts)
    ]
    load = share.mean(0) * experts / k  # domains evenly mixed; 1 is the fair share
    strongest = share.max(axis=(0, 2))
    layer_rows = [
        {
            "layer": layer,
            "retained_mass_median": f"{np.median(mass[layer]):.4f}",
            "entropy_median": f"{np.median(entropy[layer]):.4f}",
            "least_load": f"{load[layer].min():.4f}",
            "greatest_load": f"{load[layer].max():.4f}",
            "dead_experts": int((share[:, layer].max(0) == 0).sum()),
            "greatest_domain_share": f"{strongest[layer]:.4f}",
        }
        for layer in range(layers)
    ]
    return expert_rows, layer_rows


def router_checkpoints(
    model: OlmoeForCausalLM, run: Path, windows: dict[str, NDArray[np.int64]], out: Path
) -> None:
    """Top-k choices at each checkpoint: uint8 [checkpoints, layers, tokens, k], best first."""
    probe = np.concatenate([window[:1, :-1][:, :PROBE_TOKENS] for window in windows.values()])
    on_device = torch.from_numpy(probe).to(model.device)
    steps, choices = [], []
    for path in sorted(run.glob("weights-*.safetensors")):
        steps.append(int(path.stem.removeprefix("weights-")))
        model.load_state_dict(load_file(path))
        top = router_probabilities(model, on_device).topk(model.config.num_experts_per_tok, dim=-1)
        choices.append(top.indices.to(torch.uint8).cpu().numpy())
    tensors = {"choices": np.stack(choices), "token_ids": probe.astype(np.uint16)}
    shares = [step / steps[-1] for step in steps]
    metadata = {"shares": json.dumps(shares), "domains": json.dumps(list(windows))}
    save_file(tensors, out / "router_checkpoints.safetensors", metadata)


def write_csv(path: Path, rows: Rows) -> None:
    """Rows as CSV with a header."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def write_measured(folder: Path, out: Path) -> None:
    """``measured.json``: the checkpoint's digest, as a loaded model has it, and the day (UTC)."""
    day = datetime.now(UTC).date().isoformat()
    row = {"digest": digest(weight_files(folder)), "date": day}
    (out / MEASURED).write_text(json.dumps(row) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run from the command line, or with the arguments of a test."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("training/data"))
    parser.add_argument("--run", type=Path, default=Path("training/runs/nano"))
    parser.add_argument("--out", type=Path, default=Path("training/results"))
    parser.add_argument("--windows", type=int, help="at most this many windows of each domain")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    folder = options.run / "model"
    (options.out / MEASURED).unlink(missing_ok=True)
    model = OlmoeForCausalLM.from_pretrained(
        folder, dtype=torch.float32, experts_implementation="eager"
    )
    model = model.to(device).eval()
    install_routers(model)
    tokenizer = load_tokenizer(options.data / "tokenizer")
    window = min(WINDOW, model.config.max_position_embeddings)
    windows = {
        name: heldout_windows(options.data, name, window)[: options.windows] for name in DOMAINS
    }
    ks = [k for k in KS if k <= model.config.num_experts]
    expert_rows, layer_rows = routing_tables(model, windows)
    write_csv(options.out / "experts.csv", expert_rows)
    write_csv(options.out / "layers.csv", layer_rows)
    write_csv(options.out / "quality.csv", quality(model, windows, bytes_of_tokens(tokenizer), ks))
    router_checkpoints(model, options.run, windows, options.out)
    write_measured(folder, options.out)


if __name__ == "__main__":
    main()
