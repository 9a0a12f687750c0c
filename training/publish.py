"""Put a trained and evaluated model where the product finds it.

    python -m training.publish --run training/runs/nano --results training/results

Copies the checkpoint and its tokenizer into the package, the measured tables into its data folder,
records the bundled runs, stores the greedy continuations that a test
reproduces, and writes the model card and ``SHA256SUMS``. Runs on a CPU in about a minute.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
from pathlib import Path

import olmoe_viz as ov
from olmoe_viz.models.catalogue import bundled_path
from olmoe_viz.models.files import digest, weight_files
from olmoe_viz.models.model import Model
from training.card import CURVE, DATA, write_card
from training.evaluate import MEASURED
from training.record import record

TABLES = ("quality.csv", "experts.csv", "layers.csv", "router_checkpoints.safetensors", MEASURED)
CONTINUATIONS = "continuations.json"
PROMPTS = (
    "Once upon a time there was a little robot who",
    "def fibonacci(n):\n    if n < 2:\n        return",
    "Let $x^2 + y^2 = 1$. Then",
    "Il était une fois une petite fille qui",
    "Es war einmal ein alter König, der",
    "Había una vez un pequeño perro que",
)
NEW_TOKENS = 60


def check_measured(run: Path, results: Path) -> None:
    """Raise ValueError unless the tables were measured on the weights of the run."""
    measured = json.loads((results / MEASURED).read_text(encoding="utf-8"))["digest"]
    if measured != digest(weight_files(run / "model")):
        raise ValueError(
            f"The tables in {results} were measured on other weights than those of {run}. "
            "Run training.evaluate again."
        )


def copy_checkpoint(run: Path, tokenizer: Path, folder: Path) -> None:
    """Replace the bundled checkpoint: one version of the weights, never two side by side."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(run / "model", folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tokenizer / name, folder / name)
    for path in folder.iterdir():
        path.chmod(0o644)


def write_digests(folder: Path) -> None:
    """``SHA256SUMS`` over every file that loading reads."""
    names = sorted(p.name for p in folder.iterdir() if p.suffix in (".json", ".safetensors"))
    lines = [
        f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in names
    ]
    (folder / "SHA256SUMS").write_text("".join(lines))


def record_continuations(model: Model, data: Path) -> None:
    """The continuations of the six prompts."""
    policy = [ov.RoutingPolicy(model.geometry.trained_k)]
    texts = [ov.compare(model, prompt, policy, max_new_tokens=NEW_TOKENS)[0] for prompt in PROMPTS]
    rows = [
        {"prompt": run.prompt, "token_ids": run.token_ids.tolist(), "text": run.text}
        for run in texts
    ]
    (data / CONTINUATIONS).write_text(json.dumps(rows, ensure_ascii=False, indent=1) + "\n")


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("training/data"))
    parser.add_argument("--run", type=Path, default=Path("training/runs/nano"))
    parser.add_argument("--results", type=Path, default=Path("training/results"))
    options = parser.parse_args()
    folder = bundled_path()
    DATA.mkdir(exist_ok=True)
    check_measured(options.run, options.results)
    copy_checkpoint(options.run, options.data / "tokenizer", folder)
    write_digests(folder)
    for name in TABLES:
        shutil.copy(options.results / name, DATA / name)
    shutil.copy(options.run / "curve.jsonl", CURVE)
    model = ov.load_model("olmoe-nano")
    record(model)
    record_continuations(model, DATA)
    write_card(folder)


if __name__ == "__main__":
    main()
