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

from olmoe_viz.engine.hooked_runner import HookedRunner
from olmoe_viz.engine.taps import Taps
from olmoe_viz.families import FAMILIES
from olmoe_viz.families.tokens import TokenBytes
from olmoe_viz.models.files import digest, weight_files
from olmoe_viz.models.model import Model
from olmoe_viz.numerics import routing
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


def stock_model(folder: Path, tokenizer: PreTrainedTokenizerFast) -> Model:
    """The checkpoint as transformers builds it, in float32 on the GPU if there is one."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    module = OlmoeForCausalLM.from_pretrained(
        folder, dtype=torch.float32, experts_implementation="eager"
    )
    family = FAMILIES[module.config.model_type]
    return Model(
        name=folder.name,
        revision=None,
        digest=digest(weight_files(folder)),
        module=module.to(device).eval(),
        tokenizer=tokenizer,
        token_bytes=TokenBytes(tokenizer),
        geometry=family.geometry(module.config),
        family=family,
        capabilities=frozenset({"steer"}),
        device=device,
        dtype=torch.float32,
    )


class Evaluator:
    """A model that is measured by passes over whole windows."""

    def __init__(self, model: Model) -> None:
        self.model, self.geometry = model, model.geometry
        self.trained = RoutingPolicy(model.geometry.trained_k)
        self._runner = HookedRunner(model)

    @torch.no_grad()
    def nats(self, windows: NDArray[np.int64], policy: RoutingPolicy) -> NDArray[np.float64]:
        """Cross-entropy of each window in nats, summed over its targets."""
        sums = []
        for batch in batches(windows):
            hidden, _ = self._run(batch[:, :-1], policy)
            targets = torch.from_numpy(batch[:, 1:]).to(hidden.device)
            losses = torch.nn.functional.cross_entropy(
                self._runner.readout(hidden).flatten(0, 1), targets.flatten(), reduction="none"
            )
            sums.append(losses.view(len(batch), -1).double().sum(1).cpu().numpy())
        return np.concatenate(sums)

    @torch.no_grad()
    def routed(self, windows: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.int16]]:
        """Router probabilities and the ids of the experts that ran under the trained k.

        [layers, windows * tokens, experts] and [layers, windows * tokens, k], strongest first.
        """
        _, taps = self._run(windows, self.trained)
        arrays = taps.arrays()  # with windows first
        logits, ids = (
            np.concatenate(list(arrays[name]), axis=1) for name in ("router_logits", "expert_ids")
        )
        return routing.probabilities(logits), ids

    def _run(self, windows: NDArray[np.int64], policy: RoutingPolicy) -> tuple[Tensor, Taps]:
        """The residual stream after the last block, and what was recorded on the way."""
        rows, tokens = windows.shape
        taps, plan = Taps(rows), self._runner.plan([policy])
        state = self._runner.open(rows, tokens)
        hidden = self._runner.step(state, windows.tolist(), range(rows), [0] * rows, plan, taps)
        return hidden, taps


def batches(windows: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Windows in batches."""
    for first in range(0, len(windows), BATCH):
        yield windows[first : first + BATCH]


def bootstrap(
    nats: NDArray[np.float64], sizes: NDArray[np.int64], seed: int
) -> NDArray[np.float64]:
    """Bits per byte of RESAMPLES draws of the windows, with replacement."""
    picks = np.random.default_rng(seed).integers(0, len(nats), (RESAMPLES, len(nats)))
    bits: NDArray[np.float64] = nats[picks].sum(1) / sizes[picks].sum(1) / math.log(2)
    return bits


def quality(
    evaluator: Evaluator,
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
                nats = evaluator.nats(window, RoutingPolicy(k, weighting))
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


def routing_tables(
    evaluator: Evaluator, windows: dict[str, NDArray[np.int64]]
) -> tuple[Rows, Rows]:
    """(rows of ``experts.csv``, rows of ``layers.csv``)."""
    k, experts = evaluator.geometry.trained_k, evaluator.geometry.experts
    shares, masses, entropies = [], [], []
    for window in windows.values():
        chosen = []
        for batch in batches(window):
            probabilities, ids = evaluator.routed(batch[:, :-1])
            chosen.append(ids)
            masses.append(routing.mass(probabilities, ids))  # [layers, tokens]
            entropies.append(routing.entropy(probabilities))
        shares.append(routing.load(np.concatenate(chosen, axis=1), experts))  # [layers, experts]
    share, mass, entropy = np.stack(shares), np.concatenate(masses, 1), np.concatenate(entropies, 1)
    layers = len(mass)
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
    evaluator: Evaluator, run: Path, windows: dict[str, NDArray[np.int64]], out: Path
) -> None:
    """Top-k choices at each checkpoint: uint8 [checkpoints, layers, tokens, k], best first."""
    probe = np.concatenate([window[:1, :-1][:, :PROBE_TOKENS] for window in windows.values()])
    steps, choices = [], []
    for path in sorted(run.glob("weights-*.safetensors")):
        steps.append(int(path.stem.removeprefix("weights-")))
        evaluator.model.module.load_state_dict(load_file(path))
        choices.append(evaluator.routed(probe)[1].astype(np.uint8))
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
    folder = options.run / "model"
    (options.out / MEASURED).unlink(missing_ok=True)
    tokenizer = load_tokenizer(options.data / "tokenizer")
    evaluator = Evaluator(stock_model(folder, tokenizer))
    window = min(WINDOW, evaluator.geometry.context)
    windows = {
        name: heldout_windows(options.data, name, window)[: options.windows] for name in DOMAINS
    }
    ks = [k for k in KS if k <= evaluator.geometry.experts]
    expert_rows, layer_rows = routing_tables(evaluator, windows)
    write_csv(options.out / "experts.csv", expert_rows)
    write_csv(options.out / "layers.csv", layer_rows)
    write_csv(
        options.out / "quality.csv", quality(evaluator, windows, bytes_of_tokens(tokenizer), ks)
    )
    router_checkpoints(evaluator, options.run, windows, options.out)
    write_measured(folder, options.out)


if __name__ == "__main__":
    main()
