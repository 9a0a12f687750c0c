"""The model card of olmoe-nano, from the template and the measured tables.

    python -m training.card

writes it again for the bundled model. No figure that this project measured on it is typed by hand.
What is quoted is: the first trial run's below, those of other models in the template, each with its
source.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from string import Template
from types import SimpleNamespace

import numpy as np

import olmoe_viz as ov
from olmoe_viz.analysis.saturation import load_router_checkpoints, saturation
from olmoe_viz.families import FAMILIES
from olmoe_viz.models.catalogue import bundled_path
from olmoe_viz.numerics.costs import active_parameters, total_parameters
from training.corpus import DOMAINS
from training.recipe import NANO

TEMPLATE = Path(__file__).parent / "card.md"
# Quoted from training/LOG.md, which starts from this run: its bits per byte at k = 8, the plain
# mean over the ten domains, and what it was.
FIRST_TRIAL = 1.233
FIRST_TRIAL_RUN = (
    "hidden 192, expert width 64, a tokenizer of its own with 16,384 entries, AdamW for every "
    "matrix, 225 M tokens"
)
DATA = Path(ov.__file__).parent / "data"
CURVE = Path(__file__).parent / "curve.jsonl"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def read_csv(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV file as text."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def recipe_table() -> str:
    """What holds for the whole run."""
    rows = ([name, str(value)] for name, value in vars(NANO).items())
    return table(["field", "value"], (row for row in rows if row[0] not in ("config", "phases")))


def phases_table() -> str:
    """What differs between the phases, one column for each."""
    columns = [vars(phase) for phase in NANO.phases]
    header = ["", *(f"phase {index}" for index in range(1, len(columns) + 1))]
    stages = [
        "; ".join(f"from {s.start:.0%}: {s.batch} x {s.sequence}" for s in phase.stages)
        for phase in NANO.phases
    ]
    rows = [[name, *(str(column[name]) for column in columns)] for name in columns[0]]
    return table(header, (["batch", *stages] if row[0] == "stages" else row for row in rows))


def quality_tables(rows: list[dict[str, str]]) -> tuple[str, str]:
    """(native weights: k by domain, every weighting: mean over the domains by k)."""
    bits = {(row["weighting"], int(row["k"]), row["domain"]): row for row in rows}
    ks = sorted({int(row["k"]) for row in rows})
    columns = [*DOMAINS, "all"]
    by_domain = [
        [str(k), *(f"{float(bits['native', k, name]['bits_per_byte']):.3f}" for name in columns)]
        for k in ks
    ]

    def interval(weighting: str, k: int) -> str:
        row = bits[weighting, k, "all"]
        mean, low, high = (float(row[name]) for name in ("bits_per_byte", "low", "high"))
        return f"{mean:.4f} ({low:.4f} to {high:.4f})"

    weightings = ("native", "renormalized", "gain_anchored")
    means = [[str(k), *(interval(name, k) for name in weightings)] for k in ks]
    return table(["k", *columns[:-1], "mean"], by_domain), table(["k", *weightings], means)


def layers_table(rows: list[dict[str, str]]) -> str:
    """Retained mass, entropy, load and strongest domain share by layer."""
    names = list(rows[0])
    header = [name.replace("_", " ") for name in names]
    return table(header, ([row[name] for name in names] for row in rows))


def specialists_table(rows: list[dict[str, str]]) -> str:
    """For each domain the three experts with the largest share of its tokens."""
    lines = []
    for domain in DOMAINS:
        best = sorted(rows, key=lambda row: -float(row[domain]))[:3]
        cells = [f"layer {r['layer']}, expert {r['expert']}: {float(r[domain]):.0%}" for r in best]
        lines.append([domain, *cells])
    return table(["domain", "first", "second", "third"], lines)


def saturation_table(path: Path) -> str:
    """Share of the final top-8 that a checkpoint already chooses, over the layers."""
    checkpoints = load_router_checkpoints(path)
    by_layer = saturation(checkpoints)
    rows = [
        [f"{share:.0%}", f"{layers.mean():.3f}", f"{layers.min():.3f}", f"{layers.max():.3f}"]
        for share, layers in zip(checkpoints.shares, by_layer, strict=True)
    ]
    return table(["training done", "mean over layers", "least layer", "greatest layer"], rows)


def texts(path: Path) -> str:
    """The stored greedy continuations, as code blocks so that nothing in them is markup."""
    blocks = []
    for row in json.loads(path.read_text(encoding="utf-8")):
        lines = (row["prompt"] + "⟦" + row["text"] + "⟧").split("\n")
        blocks.append("\n".join(f"    {line}" for line in lines))
    return "\n\n---\n\n".join(blocks)


def card(folder: Path, data: Path = DATA, curve: Path = CURVE) -> str:
    """The template, filled from a checkpoint's folder, the measured tables and the curve."""
    config = json.loads((folder / "config.json").read_text())
    geometry = FAMILIES[config["model_type"]].geometry(SimpleNamespace(**config))
    quality, layers = read_csv(data / "quality.csv"), read_csv(data / "layers.csv")
    by_domain, means = quality_tables(quality)
    bits = {(r["weighting"], int(r["k"]), r["domain"]): float(r["bits_per_byte"]) for r in quality}
    trained, all_experts = (
        bits["native", k, "all"] for k in (geometry.trained_k, geometry.experts)
    )
    last = json.loads(curve.read_text().splitlines()[-1])
    masses = [float(row["retained_mass_median"]) for row in layers]
    strong = sum(
        float(row["greatest_domain_share"]) >= 3 * geometry.trained_k / geometry.experts
        for row in layers
    )
    tokens = sum(
        int(r["tokens"])
        for r in quality
        if r["k"] == "8" and r["weighting"] == "native" and r["domain"] == "all"
    )
    values = {
        "total": f"{total_parameters(geometry) / 1e6:.1f}",
        "active": f"{active_parameters(geometry, geometry.trained_k) / 1e6:.1f}",
        "weights_mb": f"{sum(p.stat().st_size for p in folder.glob('*.safetensors')) / 1e6:.1f}",
        "vocabulary": f"{geometry.vocab:,}",
        "hidden": str(geometry.hidden),
        "intermediate": str(geometry.intermediate),
        "steps": f"{last['step']:,}",
        "tokens": f"{last['tokens'] / 1e6:,.0f}",
        "minutes": f"{last['seconds'] / 60:.0f}",
        "recipe": recipe_table(),
        "phases": phases_table(),
        "heldout_tokens": f"{tokens:,}",
        "bits": f"{trained:.4f}",
        "first_trial": f"{FIRST_TRIAL:.3f}",
        "first_trial_run": FIRST_TRIAL_RUN,
        "gain": f"{1 - trained / FIRST_TRIAL:.1%}",
        "loss_at_all": f"{all_experts / trained - 1:.1%}",
        "mass_low": f"{min(masses):.2f}",
        "mass_high": f"{max(masses):.2f}",
        "depth_correlation": f"{np.corrcoef(np.arange(len(masses)), masses)[0, 1]:.2f}",
        "least_load": f"{min(float(row['least_load']) for row in layers):.2f}",
        "greatest_load": f"{max(float(row['greatest_load']) for row in layers):.2f}",
        "dead": str(sum(int(row["dead_experts"]) for row in layers)),
        "strong_layers": str(strong),
        "layers": str(geometry.layers),
        "by_domain": by_domain,
        "means": means,
        "by_layer": layers_table(layers),
        "specialists": specialists_table(read_csv(data / "experts.csv")),
        "saturation": saturation_table(data / "router_checkpoints.safetensors"),
        "texts": texts(data / "continuations.json"),
        "digests": "\n".join(
            f"    {line}" for line in (folder / "SHA256SUMS").read_text().splitlines()
        ),
    }
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(values)


def write_card(folder: Path) -> None:
    """Write the card as ``README.md`` beside the weights."""
    (folder / "README.md").write_text(card(folder), encoding="utf-8")


if __name__ == "__main__":
    write_card(bundled_path())
